using System.Security.Cryptography;
using Cocoon.Node.Payments;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Node.Payments;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Sessions;

/// <summary>One session for several requests: when it is kept, when it is not, and what a provider can do between two of them.</summary>
internal sealed class SessionReuseTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(60);

    private delegate Task Serving(SessionLink link, StubEnclave enclave, CancellationToken cancellationToken);

    [Test]
    public async Task Requests_OneAfterTheOther_ShareASessionAndNotAnId()
    {
        await using Bench bench = new(async (link, enclave, ct) =>
        {
            while (await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct) is var (message, _))
            {
                await enclave.AnswerAsync(link, message.Request, due: 10, ct);
            }
        });
        OpenedSession session = await bench.OpenAsync();
        HashSet<string> ids = [];
        for (ulong i = 1; i <= 3; i++)
        {
            Assert.That(ids.Add(Convert.ToHexString(session.Enclave.SessionId)), Is.True);
            List<AnswerPart> parts = await bench.AskAsync(session);
            Assert.That(parts.OfType<AnswerPart.Text>().Single().Delta.Text, Is.EqualTo("yes"));
            Assert.That((bench.Channel.Record.Due, bench.Channel.HasLiveSessions), Is.EqualTo((10 * i, false)));
            Assert.That(session.TryAdvance(), Is.True);
        }

        Assert.That(bench.Enclave.Welcomes, Is.EqualTo(1));
        await session.DisposeAsync();
    }

    [Test]
    public async Task Acceptance_AfterAcksOfTheRequestBefore_IsFound()
    {
        await using Bench bench = new(async (link, enclave, ct) =>
        {
            while (await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct) is var (message, _))
            {
                await link.WriteAsync(new ProviderMessage { VoucherAck = new VoucherAck() }, ct);
                await enclave.AnswerAsync(link, message.Request, due: 10, ct);
            }
        });
        await using OpenedSession session = await bench.OpenAsync();
        await bench.AskAsync(session);
        Assert.That(session.TryAdvance(), Is.True);
        Assert.That((await bench.AskAsync(session)).OfType<AnswerPart.Completed>().Single().Cost.CostNanoton, Is.EqualTo(10));
    }

    [Test]
    public async Task Answer_OfTheRequestBefore_SentAgain_IsNoAnswer()
    {
        Request? first = null;
        await using Bench bench = new(async (link, enclave, ct) =>
        {
            ProviderMessage? repeated = null;
            while (await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct) is var (message, _))
            {
                if (first is null)
                {
                    first = message.Request;
                    OpenedRequest opened = enclave.Open(first);
                    using ResponseSealer sealer = opened.Response;
                    AnswerWriter writer = new();
                    writer.Append(new AnswerEvent { Finished = new Finished { Usage = new Usage(), DueNanoton = 10 } });
                    byte[] frame = new byte[ResponseShape.FrameSize];
                    writer.TakeFrame(frame);
                    repeated = new ProviderMessage { Sealed = new SealedFrame { Data = ByteString.CopyFrom(sealer.Seal(frame, isFinal: true)) } };
                    Settlement settlement = new() { SessionId = opened.Header.SessionId, Channel = opened.Header.Channel, DueNanoton = 10 };
                    await link.WriteAsync([new ProviderMessage { Accepted = new Accepted() }, repeated], ct);
                    await link.WriteAsync(new ProviderMessage { Settlement = SignedRecords.SignSettlement(enclave.Identity, settlement) }, ct);
                    continue;
                }

                await link.WriteAsync([new ProviderMessage { Accepted = new Accepted() }, repeated!], ct);
            }
        });
        await using OpenedSession session = await bench.OpenAsync();
        await bench.AskAsync(session);
        Assert.That(session.TryAdvance(), Is.True);
        InferenceException? refused = await Assert.ThrowsAsync<InferenceException>(() => bench.AskAsync(session));
        Assert.That((refused!.Failure, session.TryAdvance()), Is.EqualTo((InferenceFailure.Truncated, false)));
    }

    [Test]
    public async Task Session_AfterAFailedRequestOrWithoutSettlement_ServesNoOther([Values] bool hasSettlement)
    {
        await using Bench bench = new(async (link, enclave, ct) =>
        {
            (ClientMessage Message, byte[] Bytes)? request = await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct);
            if (!hasSettlement)
            {
                OpenedRequest opened = enclave.Open(request!.Value.Message.Request);
                using ResponseSealer sealer = opened.Response;
                AnswerWriter writer = new();
                writer.Append(new AnswerEvent { Finished = new Finished { Usage = new Usage(), DueNanoton = 10 } });
                byte[] frame = new byte[ResponseShape.FrameSize];
                writer.TakeFrame(frame);
                await link.WriteAsync(new ProviderMessage { Accepted = new Accepted() }, ct);
                await link.WriteAsync(new ProviderMessage { Sealed = new SealedFrame { Data = ByteString.CopyFrom(sealer.Seal(frame, isFinal: true)) } }, ct);
                await link.Stream.CloseWriteAsync(ct);
                return;
            }

            await link.WriteAsync(Declined(), ct);
        });
        await using OpenedSession session = await bench.OpenAsync();
        if (hasSettlement)
        {
            await Assert.ThrowsAsync<InferenceException>(() => bench.AskAsync(session));
        }
        else
        {
            await bench.AskAsync(session);
        }

        Assert.That(session.TryAdvance(), Is.False);
    }

    [Test]
    public async Task Session_OfVersionOne_ServesNoOther()
    {
        await using Bench bench = new(
            async (link, enclave, ct) =>
            {
                (ClientMessage Message, byte[] Bytes)? request = await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct);
                await enclave.AnswerAsync(link, request!.Value.Message.Request, due: 10, ct);
            },
            SessionVersions.One);
        await using OpenedSession session = await bench.OpenAsync();
        await bench.AskAsync(session);
        Assert.That(session.TryAdvance(), Is.False);
    }

    [Test]
    public async Task WarmSessions_TakeTheLastUsedAndCloseTheIdleOnes()
    {
        await using Bench bench = new(static (_, _, ct) => new TaskCompletionSource().Task.WaitAsync(ct));
        await using WarmSessions warm = new(bench.Time);
        OpenedSession[] sessions = [await bench.RestingAsync(), await bench.RestingAsync(), await bench.RestingAsync()];
        foreach (OpenedSession session in sessions)
        {
            Assert.That(await warm.ReturnAsync(session, allowOpenTier: true, relays: 0), Is.False, "kept, and for long enough");
        }

        Assert.That(await warm.TakeAsync(bench.Offer, allowOpenTier: false, relays: 0), Is.Null, "for other terms");
        OpenedSession? last = await warm.TakeAsync(bench.Offer, allowOpenTier: true, relays: 0);
        Assert.That(last, Is.SameAs(sessions[2]));
        last!.IsAtRest = true;
        await warm.ReturnAsync(last, allowOpenTier: true, relays: 0);
        await Eventually.TrueAsync(
            "all but one closed",
            () =>
            {
                bench.Time.Advance(TimeSpan.FromSeconds(1));
                return warm.Count == 1;
            },
            Guard,
            CancellationToken.None);
        Assert.That(await warm.TakeAsync(bench.Offer, allowOpenTier: true, relays: 0), Is.SameAs(last));
        await last.DisposeAsync();
    }

    [Test]
    public async Task WarmSessions_WhoseQuoteRunsOut_AreNotUsed()
    {
        await using Bench bench = new(static (_, _, ct) => new TaskCompletionSource().Task.WaitAsync(ct));
        await using WarmSessions warm = new(bench.Time);
        OpenedSession session = await bench.RestingAsync();
        DateTimeOffset end = session.UsableUntil;
        await warm.ReturnAsync(session, allowOpenTier: true, relays: 0);
        bench.Time.Advance(end - bench.Time.GetUtcNow() - WarmSessions.Margin);
        Assert.That(await warm.TakeAsync(bench.Offer, allowOpenTier: true, relays: 0), Is.Null);

        OpenedSession ending = await bench.RestingAsync();
        bench.Time.Advance(ending.UsableUntil - bench.Time.GetUtcNow() - (2 * WarmSessions.Margin));
        Assert.That(await warm.ReturnAsync(ending, allowOpenTier: true, relays: 0), Is.True, "another is wanted soon");
    }

    [Test]
    public async Task WarmSessions_OfAPeerOfWhichOneDied_AreForgotten()
    {
        await using Bench bench = new(static (_, _, ct) => new TaskCompletionSource().Task.WaitAsync(ct));
        await using WarmSessions warm = new(bench.Time);
        await warm.ReturnAsync(await bench.RestingAsync(), allowOpenTier: true, relays: 0);
        await warm.ReturnAsync(await bench.RestingAsync(), allowOpenTier: true, relays: 0);
        await warm.ForgetAsync(bench.Offer.Peer);
        Assert.That(warm.Count, Is.Zero);
        Assert.That(await warm.TakeAsync(bench.Offer, allowOpenTier: true, relays: 0), Is.Null);
    }

    private static ProviderMessage Declined() => ClientLine.Declined(DeclineReason.DeclineSlots, "full", 0);

    /// <summary>A client with a channel, and a provider that welcomes and then serves as the test says.</summary>
    private sealed class Bench : IAsyncDisposable
    {
        private readonly ClientChannelTests.Fixture _fixture = new();
        private readonly MemoryNetwork _network = new();
        private readonly TemporaryDirectory _directory = new();
        private readonly DataDirectory _data;
        private readonly TestOffers _offers;
        private readonly MemoryHost _client;
        private readonly CancellationTokenSource _guard = new(Guard);

        public Bench(Serving serve, uint version = SessionVersions.Several)
        {
            _data = DataDirectory.Open(_directory.File("client"));
            MemoryHost provider = _network.AddHost();
            _client = _network.AddHost();
            _network.IntroduceAll();
            _offers = new TestOffers(_fixture.Time.GetUtcNow());
            Offer offer = _offers.Create();
            offer.ModelId = ByteString.CopyFrom(EvidenceSamples.Model.ToArray());
            offer.Prices = new Prices { Prompt = 1_000_000, Cached = 1_000_000, Completion = 1_000_000 };
            Offer = OfferWriter.Sign(offer, provider.LocalPeer, provider.Key);
            Enclave = new StubEnclave(provider, Offer, _fixture.Time) { Version = version };
            provider.Handle(SessionLink.ProtocolId, async (stream, ct) =>
            {
                using SessionLink link = new(stream);
                (ClientMessage Message, byte[] Bytes)? hello = await link.ReadClientMessageAsync(SessionLink.MaxHello, ct);
                await link.WriteAsync(new ProviderMessage { Welcome = Enclave.Welcome(hello!.Value.Message.Hello, hello.Value.Bytes) }, ct);
                await serve(link, Enclave, ct);
            });
        }

        public VerifiedOffer Offer { get; }

        public StubEnclave Enclave { get; }

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

        public async Task<List<AnswerPart>> AskAsync(OpenedSession session)
        {
            Ask ask = new(
                SealedRequest.Types.Endpoint.ChatCompletions, "test-model", "{}"u8.ToArray(), MaxTokens: 100, Messages: 1, Shape.Fast, AllowOpenTier: true, Provider: null,
                RandomNumberGenerator.GetBytes(32));
            SessionRun run = new(
                session, Channel, Channel.BeginSession(SessionId.From(session.Enclave.SessionId)), ask, new ReceiptStore(_data), Time);
            List<AnswerPart> parts = [];
            await foreach (AnswerPart part in run.RunAsync(_guard.Token))
            {
                parts.Add(part);
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
}
