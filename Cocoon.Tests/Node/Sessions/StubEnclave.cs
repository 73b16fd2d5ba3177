using System.Security.Cryptography;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Support;
using Google.Protobuf;

namespace Cocoon.Tests.Node.Sessions;

/// <summary>A provider's enclave that welcomes as it should; what it does then is its owner's.</summary>
internal sealed class StubEnclave : IRequestKeys, IDisposable
{
    private readonly MemoryHost _provider;
    private readonly VerifiedOffer _offer;
    private readonly TimeProvider _time;
    private readonly Ed25519PrivateKey _identity = Ed25519PrivateKey.Generate();

    private readonly IKemPrivateKey _hpke = X25519Kem.Instance.Generate();
    private OpeningSession? _session;
    private uint _requests;

    /// <summary>The session versions that it speaks.</summary>
    public uint Version { get; init; } = SessionVersions.Several;

    public Ed25519PrivateKey Identity => _identity;

    public int Welcomes { get; private set; }

    public StubEnclave(MemoryHost provider, VerifiedOffer offer, TimeProvider time) => (_provider, _offer, _time) = (provider, offer, time);

    public Welcome Welcome(Hello hello, byte[] message)
    {
        Welcomes++;
        _requests = 0;
        DateTimeOffset now = _time.GetUtcNow();
        KeyRecord key = new()
        {
            KeyId = ByteString.CopyFrom(1, 2, 3, 4, 5, 6, 7, 8),
            Kem = X25519Kem.KemId,
            Kdf = HpkeSuite.A.KdfId,
            Aead = HpkeSuite.A.AeadId,
            PublicKey = ByteString.CopyFrom(_hpke.PublicKey),
            NotBeforeMs = (ulong)now.ToUnixTimeMilliseconds(),
            NotAfterMs = (ulong)now.AddHours(1).ToUnixTimeMilliseconds(),
            Epoch = 1,
        };
        SignedQuote quote = new QuoteIssuer(_provider.Key, _time).Issue(_offer, hello, creditNanoton: 0);
        EnclaveBinding binding = EvidenceSamples.Binding(_provider.LocalPeer, _identity);
        WelcomeBody body = new()
        {
            Version = Math.Min(Version, SessionVersions.Choose(hello.Versions)),
            Bundle = ByteString.CopyFrom(EvidenceSamples.Bundle(binding, now).Encode()),
            Keys = { SignedRecords.SignKey(_identity, key) },
            Quote = quote,
        };
        ByteString bytes = body.ToByteString();
        byte[] transcript = SessionTranscript.Hash(SessionLink.OnlyField(message, number: 1)!, bytes.Span);
        _session = new OpeningSession(
            transcript, EnclaveBinding.ReportData(binding.Encode()), SHA256.HashData(quote.Quote.Span), Quote.Parser.ParseFrom(quote.Quote), _offer.Offer.ModelId.ToByteArray(),
            SessionTranscript.SessionId(transcript));
        return new Welcome { Body = bytes, Signature = ByteString.CopyFrom(SessionTranscript.Sign(_identity, transcript)) };
    }

    /// <summary>Opens the next request of the session.</summary>
    public OpenedRequest Open(Request request) => new RequestOpener(this, _time).Open(
        _session! with { RequestId = SessionTranscript.RequestId(_session.RequestId, _requests++) }, request.Header.Span, request.Sealed.Span);

    /// <summary>Answers a request as it should be, up to the settlement.</summary>
    public async Task AnswerAsync(SessionLink link, Request request, ulong due, CancellationToken cancellationToken)
    {
        OpenedRequest opened = Open(request);
        using ResponseSealer sealer = opened.Response;
        AnswerWriter writer = new();
        writer.Append(new AnswerEvent { Started = new Started { PromptTokens = 1 } });
        writer.Append(new AnswerEvent { Delta = new Delta { Text = "yes", DueNanoton = due } });
        writer.Append(new AnswerEvent { Finished = new Finished { Usage = new Usage { PromptTokens = 1, CompletionTokens = 1 }, DueNanoton = due } });
        byte[] frame = new byte[ResponseShape.FrameSize];
        writer.TakeFrame(frame);
        Settlement settlement = new() { SessionId = opened.Header.SessionId, Channel = opened.Header.Channel, DueNanoton = due };
        await link.WriteAsync(
            [
                new ProviderMessage { Accepted = new Accepted() },
                new ProviderMessage { Sealed = new SealedFrame { Data = ByteString.CopyFrom(sealer.Seal(frame, isFinal: true)) } },
                new ProviderMessage { Settlement = SignedRecords.SignSettlement(_identity, settlement) },
            ],
            cancellationToken);
    }

    public RequestKey? Find(ReadOnlySpan<byte> keyId) => new(_hpke, HpkeSuite.A, new ReplaySet());

    public void Dispose()
    {
        _identity.Dispose();
        _hpke.Dispose();
    }
}
