using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Payments.Proto;
using Google.Protobuf;

namespace Cocoon.Tests;

/// <summary>Offers of one made-up provider that pass every check, to be bent by tests.</summary>
internal sealed class TestOffers : IDisposable
{
    private readonly DateTimeOffset _now;

    public TestOffers(DateTimeOffset now)
    {
        _now = now;
        Peer = PeerId.FromPublicKey(Key.PublicKey);
    }

    public Ed25519PrivateKey Key { get; } = Ed25519PrivateKey.Generate();

    public PeerId Peer { get; }

    public static byte[] ModelId { get; } = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    public Offer Create(ulong sequence = 1, bool peer = false)
    {
        Offer offer = new()
        {
            Sequence = sequence,
            IssuedAtMs = (ulong)_now.ToUnixTimeMilliseconds(),
            ExpiresAtMs = (ulong)(_now + OfferLimits.TimeToLive).ToUnixTimeMilliseconds(),
            ModelName = "test-model",
            ModelId = ByteString.CopyFrom(ModelId),
            Quantisation = "Q8_0",
            ContextTokens = 2048,
            Prices = new Prices { Prompt = 40_000_000, Cached = 10_000_000, Completion = 160_000_000 },
            SlotsTotal = 4,
            SlotsFree = 4,
            DecodeTokensPerSecond = 100,
            PrefillTokensPerSecond = 1000,
            Tier = "open",
            EvidenceKind = "simulated",
            EvidenceDigest = ByteString.CopyFrom(new byte[32]),
            Payout = "0:" + new string('a', 64),
            ProviderKey = ByteString.CopyFrom(Key.PublicKey.Bytes),
            EngineKind = "llama.cpp",
            Terms = new ChannelTerms { MinChallengeSeconds = 3600, MinDepositNanoton = 1, GlobalId = -777 },
        };
        offer.ChannelCodeHashes.Add(ByteString.CopyFrom(new byte[32]));
        if (peer)
        {
            offer.PeerId = ByteString.CopyFrom(Peer.Bytes);
        }

        return offer;
    }

    public VerifiedOffer Sign(Offer offer) => OfferWriter.Sign(offer, Peer, Key);

    public void Dispose() => Key.Dispose();
}
