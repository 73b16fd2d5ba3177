using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Tests.Protocol.Sessions;

/// <summary>Both ends of one session's sealing, without transport or evidence.</summary>
internal sealed class SessionPair : IRequestKeys, IDisposable
{
    private readonly IKemPrivateKey _key;
    private readonly RequestKey _requestKey;

    public SessionPair(TimeProvider time, HpkeSuite? suite = null, int replayCapacity = 16)
    {
        suite ??= HpkeSuite.A;
        _key = suite.Kem.Generate();
        _requestKey = new RequestKey(_key, suite, new ReplaySet(replayCapacity));
        Record = new KeyRecord
        {
            KeyId = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(8)),
            Kem = suite.Kem.Id,
            Kdf = suite.KdfId,
            Aead = suite.AeadId,
            PublicKey = ByteString.CopyFrom(_key.PublicKey),
        };
        Quote quote = new()
        {
            Prices = new Prices { Prompt = 10, Cached = 1, Completion = 30 },
            NotAfterMs = (ulong)time.GetUtcNow().AddSeconds(60).ToUnixTimeMilliseconds(),
        };
        byte[] transcript = RandomNumberGenerator.GetBytes(32);
        Session = new OpeningSession(
            transcript, RandomNumberGenerator.GetBytes(64), SHA256.HashData(quote.ToByteArray()), quote, new byte[32], SessionTranscript.SessionId(transcript));
        Opener = new RequestOpener(this, time);
        Header = new RoutingHeader
        {
            SessionId = ByteString.CopyFrom(Session.TranscriptHash.AsSpan(0, 16)),
            Channel = ByteString.CopyFrom(new byte[32]),
            QuoteDigest = ByteString.CopyFrom(Session.QuoteDigest),
            ModelId = ByteString.CopyFrom(new byte[32]),
            Shape = Shape.Fast,
            OutputBucket = 256,
            ExpiresAtMs = (ulong)time.GetUtcNow().AddSeconds(30).ToUnixTimeMilliseconds(),
        };
        Request = new SealedRequest
        {
            Endpoint = SealedRequest.Types.Endpoint.ChatCompletions,
            Body = ByteString.CopyFromUtf8("{\"messages\":[]}"),
            Prices = quote.Prices.Clone(),
            Channel = Header.Channel,
        };
    }

    public KeyRecord Record { get; }

    public OpeningSession Session { get; set; }

    public RequestOpener Opener { get; }

    public RoutingHeader Header { get; }

    public SealedRequest Request { get; }

    public SealedCall Seal() => RequestSealer.Seal(_requestKey.Suite, Record, Session.ReportData, Session.TranscriptHash, Header, Request);

    public RequestKey? Find(ReadOnlySpan<byte> keyId) => Record.KeyId.Span.SequenceEqual(keyId) ? _requestKey : null;

    public void Dispose() => _key.Dispose();
}
