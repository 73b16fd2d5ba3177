using System.Security.Cryptography;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Node.Payments;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Node.Payments;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Support;
using Google.Protobuf;

namespace Cocoon.Tests.Node.Sessions;

/// <summary>A client with a channel, and a provider that welcomes well and then serves as the test says.</summary>
internal sealed class SessionBench : IAsyncDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(60);

    private readonly ClientChannelTests.Fixture _fixture = new();
    private readonly MemoryNetwork _network = new();
    private readonly TemporaryDirectory _directory = new();
    private readonly DataDirectory _data;
    private readonly TestOffers _offers;
    private readonly MemoryHost _client;
    private readonly MemoryHost _provider;
    private readonly CancellationTokenSource _guard = new(Guard);

    /// <param name="serve">What the provider does once it has welcomed the client.</param>
    public SessionBench(Serving serve, uint version = SessionVersions.Several)
    {
        Serve = serve;
        _data = DataDirectory.Open(_directory.File("client"));
        MemoryHost provider = _provider = _network.AddHost();
        _client = _network.AddHost();
        _network.IntroduceAll();
        _offers = new TestOffers(Time.GetUtcNow());
        Offer offer = _offers.Create();
        offer.ModelId = ByteString.CopyFrom(EvidenceSamples.Model.ToArray());
        offer.Prices = new Prices { Prompt = 1_000_000, Cached = 1_000_000, Completion = 1_000_000 };
        Offer = OfferWriter.Sign(offer, provider.LocalPeer, provider.Key);
        Enclave = new StubEnclave(provider, Offer, Time) { Version = version };
        provider.Handle(SessionLink.ProtocolId, async (stream, ct) =>
        {
            using SessionLink link = new(stream);
            (ClientMessage Message, byte[] Bytes)? hello = await link.ReadClientMessageAsync(SessionLink.MaxHello, ct);
            await link.WriteAsync(new ProviderMessage { Welcome = Enclave.Welcome(hello!.Value.Message.Hello, hello.Value.Bytes) }, ct);
            await Serve(link, Enclave, ct);
        });
    }

    public delegate Task Serving(SessionLink link, StubEnclave enclave, CancellationToken cancellationToken);

    /// <summary>Of the sessions that are opened from now on.</summary>
    public Serving Serve { get; set; }

    public VerifiedOffer Offer { get; }

    public StubEnclave Enclave { get; }

    /// <summary>The same provider's next offer.</summary>
    public VerifiedOffer Claiming(string tier)
    {
        Offer next = Offer.Offer.Clone();
        next.Tier = tier;
        next.Sequence++;
        return OfferWriter.Sign(next, _provider.LocalPeer, _provider.Key);
    }

    public ClientChannel Channel => _fixture.Channel;

    public ManualTimeProvider Time => _fixture.Time;

    public Task<OpenedSession> OpenAsync() => OpenedSession.OpenAsync(
        new DirectStreams(_client),
        Offer,
        relays: 0,
        new WelcomeVerifier(new AppraisalCache(EvidenceAppraiser.Standard), new KnownEvidence(), HpkeSuite.Accepted, Time),
        AppraisalPolicy.Default with { AllowSimulated = true },
        knownEvidence: null,
        Time,
        _guard.Token);

    /// <summary>As after a request.</summary>
    public async Task<OpenedSession> RestingAsync()
    {
        OpenedSession session = await OpenAsync();
        session.IsAtRest = true;
        return session;
    }

    /// <summary>One request to its end.</summary>
    /// <param name="seen">Told of each part as it comes, those before a failure too.</param>
    /// <param name="leaving">The application hangs up.</param>
    public async Task<List<AnswerPart>> AskAsync(
        OpenedSession session, uint maxTokens = 100, Action<AnswerPart>? seen = null, CancellationToken leaving = default)
    {
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(leaving, _guard.Token);
        Ask ask = new(
            SealedRequest.Types.Endpoint.ChatCompletions, "test-model", "{}"u8.ToArray(), maxTokens, Messages: 1, Shape.Fast, AllowOpenTier: true, Provider: null,
            RandomNumberGenerator.GetBytes(32));
        SessionRun run = new(session, Channel, Channel.BeginSession(SessionId.From(session.Enclave.SessionId)), ask, new ReceiptStore(_data), Time);
        List<AnswerPart> parts = [];
        await foreach (AnswerPart part in run.RunAsync(ending.Token))
        {
            parts.Add(part);
            seen?.Invoke(part);
        }

        return parts;
    }

    public async ValueTask DisposeAsync()
    {
        await Channel.StopAsync();
        await _network.DisposeAsync();
        Enclave.Dispose();
        _offers.Dispose();
        _data.Dispose();
        _directory.Dispose();
        _guard.Dispose();
        await _fixture.DisposeAsync();
    }
}
