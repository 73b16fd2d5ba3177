using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Payments;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Node.Payments;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Serving;

/// <summary>A provider's host with its real books, against clients of all kinds.</summary>
internal sealed class ProviderSessionTests
{
    private const ulong Step = 1_000;
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(60);

    /// <summary>Channels are public, and a claim publishes the voucher itself.</summary>
    [TestCase("nothing")]
    [TestCase("garbage")]
    [TestCase("another key")]
    [TestCase("another session")]
    [TestCase("another channel")]
    [TestCase("a grant of its own")]
    [TestCase("the payer's grant to somebody else")]
    public async Task Request_OfSomebodyWhoKnowsTheChannelAndItsVoucher_SpendsNothingOfIt(string shown)
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        VoucherMessage published = fixture.Voucher(channel.Channel, 20 * Step);
        await channel.AcceptVoucherAsync(published, CancellationToken.None);
        using Ed25519PrivateKey stranger = Ed25519PrivateKey.Generate(), friend = Ed25519PrivateKey.Generate();
        Request request = new() { Voucher = published.Clone() };
        await using Call call = new(fixture, channel);
        byte[] id = call.Enclave.SessionId.ToArray();
        request.Voucher.Allocations.Add(new Allocation { SessionId = ByteString.CopyFrom(id), Nanoton = 20 * Step });
        Ed25519PrivateKey granter = shown == "a grant of its own" ? stranger : fixture.PayKey;
        if (shown.Contains("grant", StringComparison.Ordinal))
        {
            GrantStatement grant = new(channel.Channel, shown == "a grant of its own" ? stranger.PublicKey : friend.PublicKey, 20 * Step);
            request.Voucher.Grant = new Grant { Statement = ByteString.CopyFrom(grant.ToBytes()), Signature = ByteString.CopyFrom(grant.Sign(granter).Signature) };
        }

        request.PayerSignature = ByteString.CopyFrom(shown switch
        {
            "nothing" => [],
            "garbage" => new byte[Ed25519.SignatureSize],
            "another session" => PayerStatement.Sign(fixture.PayKey, RandomNumberGenerator.GetBytes(SessionId.Size), channel.Channel),
            "another channel" => PayerStatement.Sign(fixture.PayKey, id, ProviderFixture.Hash(9)),
            _ => PayerStatement.Sign(stranger, id, channel.Channel),
        });
        Declined declined = (await call.AskAsync(request))!.Declined;
        Assert.That((declined.Reason, declined.HighestTotal, declined.CarriedDue), Is.EqualTo((DeclineReason.DeclineChannel, 0UL, 0UL)));
        await call.EndAsync();
        Assert.That(call.Enclave.IsStarted, Is.False);
        Assert.That((channel.Exposure.LiveSessions, channel.Exposure.Due, channel.HighestTotal), Is.EqualTo((0, 0UL, 20 * Step)));

        // The payer itself has all that it had.
        SessionId own = new(1);
        VoucherMessage allocated = published.Clone();
        allocated.Allocations.Add(new Allocation { SessionId = ByteString.CopyFrom(own.ToArray()), Nanoton = 20 * Step });
        await channel.AcceptVoucherAsync(allocated, CancellationToken.None);
        Assert.That(channel.TryReserveSession(own, Step), Is.InstanceOf<ReservationOutcome.Reserved>());
        Assert.That(channel.GrantFor(own), Is.GreaterThanOrEqualTo(20 * Step));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Request_OfThePayerOrOfAKeyThatItGranted_IsServed(bool granted)
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        using Ed25519PrivateKey sessionKey = Ed25519PrivateKey.Generate();
        Ed25519PrivateKey signer = granted ? sessionKey : fixture.PayKey;
        Request request = new() { Voucher = fixture.Voucher(channel.Channel, Step, signer) };
        if (granted)
        {
            GrantStatement grant = new(channel.Channel, sessionKey.PublicKey, Step);
            request.Voucher.Grant = new Grant
            {
                Statement = ByteString.CopyFrom(grant.ToBytes()), Signature = ByteString.CopyFrom(grant.Sign(fixture.PayKey).Signature),
            };
        }

        await using Call call = new(fixture, channel, new EnclaveEvent.Ended("finished", 700, new SignedSettlement()));
        request.PayerSignature = ByteString.CopyFrom(PayerStatement.Sign(signer, call.Enclave.SessionId.Span, channel.Channel));
        Assert.That((await call.AskAsync(request))!.Accepted, Is.EqualTo(new Accepted { HighestTotal = Step }));
        Assert.That((await call.ReadAsync())!.Settlement, Is.Not.Null);
        await call.EndAsync(isLeaving: true);
        Assert.That((channel.Exposure.LiveSessions, channel.Exposure.Due), Is.EqualTo((0, 700UL)));
    }

    /// <summary>A session key is worth its cap: what was vouched beyond it is not its holder's to spend.</summary>
    [Test]
    public async Task Request_OfAKeyWhoseGrantIsUsedUp_SpendsNothing()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 20 * Step), CancellationToken.None);
        using Ed25519PrivateKey sessionKey = Ed25519PrivateKey.Generate();
        Request request = new() { Voucher = fixture.Voucher(channel.Channel, Step, sessionKey) };
        GrantStatement grant = new(channel.Channel, sessionKey.PublicKey, Step);
        request.Voucher.Grant = new Grant
        {
            Statement = ByteString.CopyFrom(grant.ToBytes()), Signature = ByteString.CopyFrom(grant.Sign(fixture.PayKey).Signature),
        };
        await using Call call = new(fixture, channel);
        request.PayerSignature = ByteString.CopyFrom(PayerStatement.Sign(sessionKey, call.Enclave.SessionId.Span, channel.Channel));
        Assert.That((await call.AskAsync(request))!.Declined?.Reason, Is.EqualTo(DeclineReason.DeclineChannel));
        await call.EndAsync();
        Assert.That((call.Enclave.IsStarted, channel.Exposure.LiveSessions), Is.EqualTo((false, 0)));
    }

    [Test]
    public async Task Session_AfterASettlement_ServesTheNextRequestAndNoOther()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await using Call call = new(fixture, channel, new EnclaveEvent.Ended("finished", 700, new SignedSettlement()));
        Request request = call.Paid(5 * Step);
        for (uint number = 0; number < 3; number++)
        {
            Assert.That((await call.AskAsync(request, number))!.Accepted, Is.EqualTo(new Accepted { HighestTotal = 5 * Step, CarriedDue = number * 700UL }));
            Assert.That((await call.ReadAsync())!.Settlement, Is.Not.Null);
        }

        Assert.That((await call.AskAsync(request, number: 2))!.Declined.Reason, Is.EqualTo(DeclineReason.DeclineMalformed), "its id is used up");
        await call.EndAsync();
        Assert.That((channel.Exposure.LiveSessions, channel.Exposure.Due, call.Enclave.Starts), Is.EqualTo((0, 2_100UL, 3)));
    }

    [Test]
    public async Task Session_ThatIsSentSomethingElseBetweenRequests_Ends()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await using Call call = new(fixture, channel, new EnclaveEvent.Ended("finished", 700, new SignedSettlement()));
        Request request = call.Paid(5 * Step);
        await call.AskAsync(request);
        await call.ReadAsync();
        await call.SendAsync(new ClientMessage { Hello = new Hello() });
        await call.EndAsync();
        Assert.That((channel.Exposure.LiveSessions, channel.Exposure.Due), Is.EqualTo((0, 700UL)));
    }

    [Test]
    public async Task Session_OfANodeThatDrains_EndsAfterItsRequestAndNotBefore()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await using Call call = new(fixture, channel, new EnclaveEvent.Ended("finished", 700, new SignedSettlement()));
        Request request = call.Paid(5 * Step);
        await call.AskAsync(request);
        await call.ReadAsync();
        await call.DrainAsync();
        await call.EndAsync();
        Assert.That((channel.Exposure.LiveSessions, channel.Exposure.Due), Is.EqualTo((0, 700UL)));
    }

    [Test]
    public async Task Request_WithoutAVoucher_TakesNoPlaceEvenOnAChannelThatHasPaid()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 20 * Step), CancellationToken.None);
        await using Call call = new(fixture, channel);
        Request request = new() { PayerSignature = ByteString.CopyFrom(PayerStatement.Sign(fixture.PayKey, call.Enclave.SessionId.Span, channel.Channel)) };
        Assert.That((await call.AskAsync(request))!.Declined.Reason, Is.EqualTo(DeclineReason.DeclineVoucher));
        await call.EndAsync();
        Assert.That(channel.Exposure.LiveSessions, Is.Zero);
    }

    /// <summary>A short answer on credit is over before its client has heard what is owed.</summary>
    [TestCase(true)]
    [TestCase(false, Description = "the client closes without one")]
    public async Task Voucher_BehindTheEndOfAnAnswerOnCredit_IsStored(bool comes)
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 20 * Step), CancellationToken.None);
        SessionId earlier = new(1);
        Assert.That(channel.TryReserveSession(earlier, Step), Is.InstanceOf<ReservationOutcome.Reserved>());
        await channel.EndSessionAsync(earlier, 20 * Step, CancellationToken.None);
        await using Call call = new(fixture, channel, new EnclaveEvent.Ended("finished", 700, new SignedSettlement()));
        Request request = call.Paid(20 * Step);
        Assert.That((await call.AskAsync(request))!.Accepted.CarriedDue, Is.EqualTo(20 * Step));
        Assert.That((await call.ReadAsync())!.Settlement, Is.Not.Null);
        if (comes)
        {
            await call.SendAsync(new ClientMessage { Voucher = fixture.Voucher(channel.Channel, 21 * Step, nonce: 2) });
        }

        await call.CloseAsync();
        await call.EndAsync();
        Assert.That(channel.HighestTotal, Is.EqualTo(comes ? 21 * Step : 20 * Step));
        Assert.That((channel.Exposure.LiveSessions, channel.Exposure.Due, channel.Exposure.AtRisk), Is.EqualTo((0, (20 * Step) + 700, comes ? 0UL : 700UL)));
    }

    [Test]
    public async Task EnclaveLost_AfterFramesThatAreOwedFor_TheClientStillGetsThem()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        EnclaveEvent[] said =
        [
            .. Enumerable.Range(1, 20).Select(i => new EnclaveEvent.Output(new[] { (byte)i })),
            new EnclaveEvent.Metered(600, IsBlocked: false, IsFinal: false),
            new EnclaveEvent.Lost("killed"),
        ];
        await using Call call = new(fixture, channel, said);
        Request request = call.Paid(Step);
        Assert.That((await call.AskAsync(request))!.Accepted, Is.Not.Null);
        for (int i = 1; i <= 20; i++)
        {
            Assert.That((await call.ReadAsync())!.Sealed.Data, Is.EqualTo(ByteString.CopyFrom((byte)i)));
        }

        await call.EndAsync();
        Assert.That((await call.ReadAsync())!.Declined.Reason, Is.EqualTo(DeclineReason.DeclineLost), "and why there is no more");
        Assert.That(await call.ReadAsync(), Is.Null, "the end, and no settlement");
        Assert.That((channel.Exposure.LiveSessions, channel.Exposure.Due), Is.EqualTo((0, 600UL)));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task EnclaveGone_BeforeItSaidAnything_TheRequestWasNotAccepted(bool refuses)
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await using Call call = new(fixture, channel, refuses ? new EnclaveEvent.Refused("unknown-key") : new EnclaveEvent.Lost("killed"));
        Request request = call.Paid(Step);
        Task<ProviderMessage?> answer = call.AskAsync(request, shape: Shape.Fast);
        await call.EndAsync();
        Assert.That((await answer)!.Declined?.Reason, Is.EqualTo(refuses ? DeclineReason.DeclineEnclave : DeclineReason.DeclineLost));
        Assert.That((channel.Exposure.LiveSessions, channel.Exposure.Due), Is.EqualTo((0, 0UL)));
    }

    /// <summary>One session over a stream in memory; its enclave says what it was told to.</summary>
    private sealed class Call : IAsyncDisposable
    {
        private readonly CancellationTokenSource _guard = new(Guard);
        private readonly CancellationTokenSource _draining = new();
        private readonly ServiceProvider _meters = new ServiceCollection().AddMetrics().BuildServiceProvider();
        private readonly MemoryPeerStream _listener;
        private readonly SessionLink _client;
        private readonly SessionLink _server;
        private readonly Quote _quote;
        private readonly ProviderFixture _fixture;
        private readonly ProviderChannel _channel;
        private readonly DateTimeOffset _now;
        private readonly Task _serving;

        public Call(ProviderFixture fixture, ProviderChannel channel, params EnclaveEvent[] events)
        {
            PeerId peer = PeerId.FromPublicKey(fixture.PayKey.PublicKey);
            (MemoryPeerStream dialer, _listener) = MemoryPeerStream.CreatePair(peer, peer, SessionLink.ProtocolId);
            (_client, _server) = (new SessionLink(dialer), new SessionLink(_listener));
            _now = fixture.Time.GetUtcNow();
            (_fixture, _channel) = (fixture, channel);
            _quote = new Quote { StepNanoton = Step, NotAfterMs = (ulong)_now.AddMinutes(1).ToUnixTimeMilliseconds() };
            Enclave = new ScriptedEnclaveSession(events);
            ProviderSession session = new(
                _server, Enclave, fixture.Ledger, new SignedQuote { Quote = _quote.ToByteString() },
                new ServingMetrics(_meters.GetRequiredService<IMeterFactory>()), fixture.Time, NullLogger.Instance);
            _serving = session.RunAsync(_draining.Token, _guard.Token);
        }

        public ScriptedEnclaveSession Enclave { get; }

        /// <summary>A request of the payer with a voucher of <paramref name="total"/> nanoTON.</summary>
        public Request Paid(ulong total) => new()
        {
            Voucher = _fixture.Voucher(_channel.Channel, total),
            PayerSignature = ByteString.CopyFrom(PayerStatement.Sign(_fixture.PayKey, Enclave.SessionId.Span, _channel.Channel)),
        };

        public Task DrainAsync() => _draining.CancelAsync();

        /// <summary>Adds the header that the session wants.</summary>
        /// <param name="number">Which request of the session it says it is.</param>
        public async Task<ProviderMessage?> AskAsync(Request request, uint number = 0, Shape shape = Shape.Unspecified)
        {
            if (number == 0)
            {
                Assert.That((await ReadAsync())!.Welcome, Is.Not.Null);
            }

            request.Header = new RoutingHeader
            {
                SessionId = ByteString.CopyFrom(SessionTranscript.RequestId(Enclave.SessionId.Span, number)),
                Channel = ByteString.CopyFrom(_channel.Channel.ToArray()),
                Shape = shape,
                QuoteDigest = ByteString.CopyFrom(SHA256.HashData(_quote.ToByteArray())),
                ExpiresAtMs = (ulong)_now.AddMinutes(2).ToUnixTimeMilliseconds(),
            }.ToByteString();
            await _client.WriteAsync(new ClientMessage { Request = request }, _guard.Token);
            return await ReadAsync();
        }

        public async Task SendAsync(ClientMessage message) => await _client.WriteAsync(message, _guard.Token);

        public async Task CloseAsync() => await _client.Stream.CloseWriteAsync(_guard.Token);

        public async Task<ProviderMessage?> ReadAsync() => await _client.ReadProviderMessageAsync(_guard.Token);

        /// <summary>As the server does when a session is over.</summary>
        /// <param name="isLeaving">The client ends it; otherwise it is over by itself.</param>
        public async Task EndAsync(bool isLeaving = false)
        {
            if (isLeaving)
            {
                await CloseAsync();
            }

            await _serving;
            await _listener.DisposeAsync();
        }

        public async ValueTask DisposeAsync()
        {
            await _guard.CancelAsync();
            await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _client.Dispose();
            _server.Dispose();
            await _meters.DisposeAsync();
            _guard.Dispose();
            _draining.Dispose();
        }
    }

    private sealed class ScriptedEnclaveSession(EnclaveEvent[] events) : IEnclaveSession
    {
        public ReadOnlyMemory<byte> SessionId { get; } = RandomNumberGenerator.GetBytes(16);

        public Welcome Welcome { get; } = new();

        public bool IsStarted { get; private set; }

        public int Starts { get; private set; }

        public ValueTask StartAsync(
            ReadOnlyMemory<byte> header, ReadOnlyMemory<byte> sealedRequest, ulong upToDue, ReadOnlyMemory<byte> statementDigest, CancellationToken cancellationToken)
        {
            Starts++;
            IsStarted = true;
            return ValueTask.CompletedTask;
        }

        public ValueTask AllowAsync(ulong upToDue, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask ReportVoucherAsync(ReadOnlyMemory<byte> statementDigest, ulong coversDue, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask CancelAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public async IAsyncEnumerable<EnclaveEvent> ReadEventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.CompletedTask;
            foreach (EnclaveEvent said in events)
            {
                yield return said;
            }
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
