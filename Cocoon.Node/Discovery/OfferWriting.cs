using Cocoon.Node.Enclaves;
using Cocoon.Node.Routing;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Sessions;
using Google.Protobuf;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Discovery;

/// <summary>Makes the signed offer of one model from what its enclave says, its owner's terms, and this node's addresses.</summary>
/// <param name="statements">Of a provider with a bond.</param>
internal sealed class OfferWriting(
    ILibp2pHost host, RelayService relay, Ed25519PrivateKey peerKey, PayoutTerms payout, RouteTerms terms, NodeAgent agent, IOptions<ServingOptions> options, TimeProvider time,
    PriceStatements? statements = null)
{
    private readonly DateTimeOffset _started = time.GetUtcNow();

    /// <param name="info">Of the model's enclave: the last one known when the offer is withdrawn.</param>
    /// <param name="sequence">Higher than that of every earlier offer of the model.</param>
    public async Task<VerifiedOffer> BuildAsync(OfferedModel model, EnclaveInfo info, ulong sequence, bool withdrawn, CancellationToken cancellationToken)
    {
        ServingOptions chosen = options.Value;
        Ready ready = info.Ready;
        Load load = model.Enclave.Load;
        DateTimeOffset now = time.GetUtcNow();
        float Rate(float measured, float atStart) => measured > 0 ? measured : atStart;
        Offer offer = new()
        {
            Sequence = sequence,
            IssuedAtMs = (ulong)now.ToUnixTimeMilliseconds(),
            ExpiresAtMs = (ulong)(now + OfferLimits.TimeToLive).ToUnixTimeMilliseconds(),
            ModelName = model.Options.ModelName.Length > 0 ? model.Options.ModelName : ready.ModelName,
            ModelId = ready.ModelId,
            Quantisation = ready.Quantisation,
            ContextTokens = ready.ContextTokens,
            Prices = model.Prices.Current,
            SlotsTotal = withdrawn ? 0 : ready.Slots,
            SlotsFree = withdrawn ? 0 : ready.Slots - Math.Min(ready.Slots, load.Active),
            Queue = load.Queued,
            PrefillTokensPerSecond = Rate(load.PrefillTokensPerSecond, ready.PrefillTokensPerSecond),
            DecodeTokensPerSecond = Rate(load.DecodeTokensPerSecond, ready.DecodeTokensPerSecond),
            Hardware = ready.Hardware,
            HardwareMemoryBytes = ready.HardwareMemoryBytes,
            Region = chosen.Region,
            UptimeSinceMs = (ulong)_started.ToUnixTimeMilliseconds(),
            Tier = ready.Tier,
            EvidenceDigest = ByteString.CopyFrom(info.EvidenceDigest.Span),
            EvidenceKind = ready.EvidenceKind,
            Payout = payout.Address,
            ProviderKey = ByteString.CopyFrom(payout.ProviderKey.Bytes),
            EngineKind = ready.Engine,
            EngineDigest = ready.EngineDigest,
            Terms = new ChannelTerms
            {
                MinChallengeSeconds = chosen.MinChallengeSeconds,
                MinDepositNanoton = chosen.MinDepositNanoton,
                MaxCreditNanoton = chosen.MaxCreditNanoton,
                GlobalId = terms.GlobalId,
            },
            KeyEpoch = info.KeyEpoch,
            KeySetDigest = ByteString.CopyFrom(WelcomeVerifier.KeySetDigest(info.Keys)),
            MaxOutputTokens = ready.MaxOutputTokens,
            Agent = agent.Value,
        };
        offer.Capabilities.AddRange(ready.Capabilities);
        offer.Protocols.Add(Sessions.SessionLink.ProtocolId);
        offer.Protocols.Add(RelayProtocol.Id);
        if (relay.Forwards)
        {
            offer.Protocols.Add(RelayProtocol.ForwardId);
        }

        offer.ChannelCodeHashes.AddRange(terms.ChannelCodeHashes.Select(h => ByteString.CopyFrom(Convert.FromHexString(h))));
        offer.Relay = host is Libp2pHost { IsRelay: true };
        offer.Addresses.AddRange(host.Addresses.Take(OfferLimits.MaxAddresses).Select(a => ByteString.CopyFrom(a.Bytes)));
        if (statements is not null && !withdrawn)
        {
            await statements.SignAsync(offer, cancellationToken);
        }

        return OfferWriter.Sign(offer, host.LocalPeer, peerKey);
    }
}
