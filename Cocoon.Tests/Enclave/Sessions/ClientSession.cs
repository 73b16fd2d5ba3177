using System.Security.Cryptography;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Inference;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>The client's view of one session, and the host's in between: what goes over the pipe is recorded.</summary>
internal sealed class ClientSession(IEnclaveSession session, AppraisedEnclave appraised, ModelId model, DateTimeOffset now) : IAsyncDisposable
{
    public const string Body = """{"messages":[{"role":"user","content":"hello"}]}""";

    private IAsyncEnumerator<EnclaveEvent>? _events;
    private AnswerReader? _reader;
    private AppraisedEnclave _enclave = appraised;

    public IEnclaveSession Host => session;

    /// <summary>Hello, Welcome, appraisal, with the host's quote in between.</summary>
    public static async Task<ClientSession> OpenAsync(
        Func<ReadOnlyMemory<byte>, SignedQuote, Task<IEnclaveSession>> open,
        Ed25519PrivateKey peerKey,
        ModelId model,
        Prices prices,
        uint unit,
        TimeProvider time,
        bool fresh = false,
        uint version = SessionVersions.Several)
    {
        Hello hello = new()
        {
            Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)),
            Versions = { SessionVersions.One, version },
            ModelId = ByteString.CopyFrom(model.ToArray()),
            OfferDigest = ByteString.CopyFrom(new byte[32]),
            FreshEvidence = fresh,
        };
        Quote quote = new()
        {
            OfferDigest = hello.OfferDigest,
            HelloNonce = hello.Nonce,
            Prices = prices,
            UnitTokens = unit,
            StepNanoton = 1000,
            NotAfterMs = (ulong)time.GetUtcNow().AddSeconds(60).ToUnixTimeMilliseconds(),
        };
        byte[] helloBytes = hello.ToByteArray();
        IEnclaveSession session = await open(helloBytes, SignedRecords.SignQuote(peerKey, quote)).WaitAsync(EnclavePair.Patience);
        WelcomeResult result = new WelcomeVerifier(new AppraisalCache(EvidenceAppraiser.Standard), new KnownEvidence(), HpkeSuite.Accepted, time).Verify(
            helloBytes,
            session.Welcome,
            new WelcomeExpectation(PeerId.FromPublicKey(peerKey.PublicKey), prices, "open", AppraisalPolicy.Default with { Id = "test", AllowSimulated = true }));
        return result.IsAccepted
            ? new ClientSession(session, result.Enclave!, model, time.GetUtcNow())
            : throw new InvalidOperationException(string.Join(' ', result.Reasons));
    }

    public AppraisedEnclave Enclave => _enclave;

    /// <summary>Everything the client could read, in order.</summary>
    public List<AnswerEvent> Answers { get; } = [];

    /// <summary>Everything the host saw, in order.</summary>
    public List<EnclaveEvent> Seen { get; } = [];

    public bool IsComplete => _reader!.IsComplete;

    public string Text => string.Concat(Answers.Where(a => a.Delta is not null).Select(a => a.Delta.Text));

    public SignedReceipt? Receipt => Answers.Select(a => a.Receipt).FirstOrDefault(r => r is not null);

    public SealedCall Seal(Shape shape = Shape.Fast, string body = Body, ulong maxDue = 0, byte[]? tenant = null) => _enclave.Seal(
        new RoutingHeader
        {
            Channel = ByteString.CopyFrom(new byte[32]),
            Shape = shape,
            OutputBucket = 1024,
            ExpiresAtMs = (ulong)now.AddSeconds(50).ToUnixTimeMilliseconds(),
        },
        new SealedRequest
        {
            Endpoint = SealedRequest.Types.Endpoint.ChatCompletions,
            Body = ByteString.CopyFromUtf8(body),
            MaxDueNanoton = maxDue,
            TenantSecret = ByteString.CopyFrom(tenant ?? []),
        },
        model);

    public async Task StartAsync(SealedCall call, ulong upToDue = ulong.MaxValue)
    {
        _reader = new AnswerReader(call.Response);
        await session.StartAsync(call.Header, call.Sealed, upToDue, statementDigest: default, CancellationToken.None);
    }

    /// <summary>After <see cref="EnclaveEvent.Ended"/>: what comes is of the next request.</summary>
    public async Task AdvanceAsync()
    {
        await _events!.DisposeAsync();
        _events = null;
        _reader!.Dispose();
        Answers.Clear();
        Seen.Clear();
        _enclave = _enclave.Following();
    }

    /// <summary>The next thing the host sees, with what it held opened for the client; <c>null</c> at the end.</summary>
    public async Task<EnclaveEvent?> NextAsync()
    {
        _events ??= session.ReadEventsAsync(CancellationToken.None).GetAsyncEnumerator();
        if (!await _events.MoveNextAsync().AsTask().WaitAsync(EnclavePair.Patience))
        {
            return null;
        }

        Seen.Add(_events.Current);
        if (_events.Current is EnclaveEvent.Output output)
        {
            Answers.AddRange(_reader!.Read(output.Sealed.Span));
        }

        return _events.Current;
    }

    /// <summary>Reads on until the event, which it returns; fails at the end.</summary>
    public async Task<T> UntilAsync<T>(Func<T, bool>? condition = null)
        where T : EnclaveEvent
    {
        while (await NextAsync() is { } happened)
        {
            if (happened is T wanted && (condition is null || condition(wanted)))
            {
                return wanted;
            }
        }

        throw new InvalidOperationException($"no {typeof(T).Name}; last: {Seen.LastOrDefault()}");
    }

    /// <summary>Plays a host that is paid at once, up to the end.</summary>
    public async Task<EnclaveEvent.Ended> FinishAsync()
    {
        EnclaveEvent.Metered final = await UntilAsync<EnclaveEvent.Metered>(m => m.IsFinal);
        await session.ReportVoucherAsync(new byte[32], final.DueNanoton, CancellationToken.None);
        return await UntilAsync<EnclaveEvent.Ended>();
    }

    public async ValueTask DisposeAsync()
    {
        if (_events is not null)
        {
            await _events.DisposeAsync();
        }

        _reader?.Dispose();
        await session.DisposeAsync();
    }
}
