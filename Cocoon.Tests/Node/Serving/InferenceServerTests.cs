using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Simulation;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Serving;

internal sealed class InferenceServerTests
{
    [Test]
    public async Task Streams_WithoutAHello_TakeNoSessionFromOthers()
    {
        using CancellationTokenSource guard = new(TimeSpan.FromSeconds(60));
        await using MemoryNetwork network = new();
        MemoryHost provider = network.AddHost(), client = network.AddHost();
        network.IntroduceAll();
        await using ServiceProvider meters = new ServiceCollection().AddMetrics().BuildServiceProvider();
        using RelayService relay = new(provider, provider.Key, new RelayLimits(), forwards: false, TimeProvider.System, NullLogger<RelayService>.Instance);
        using InferenceServer server = new(
            provider, relay, new ServingSwitch(), new OfferedModels([]), null!, null!, null!, new ServingMetrics(meters.GetRequiredService<IMeterFactory>()),
            Options.Create(new ServingOptions { MaxSessions = 4 }), new ManualTimeProvider(), NullLogger<InferenceServer>.Instance);
        await server.StartAsync(guard.Token);
        List<IPeerStream> silent = [];
        for (int i = 0; i < 16; i++)
        {
            silent.Add(await client.OpenStreamAsync(provider.LocalPeer, [SessionLink.ProtocolId], guard.Token));
        }

        await using IPeerStream stream = await client.OpenStreamAsync(provider.LocalPeer, [SessionLink.ProtocolId], guard.Token);
        using SessionLink link = new(stream);
        await link.WriteAsync(new ClientMessage { Hello = new Hello { Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)) } }, guard.Token);
        ProviderMessage? answer = await link.ReadProviderMessageAsync(guard.Token);
        Assert.That(answer!.Declined.Reason, Is.EqualTo(DeclineReason.DeclineVersion), "judged on its own, not by how many are silent");
        Assert.That(server.OpenSessions, Is.Zero);
        foreach (IPeerStream open in silent)
        {
            open.Reset();
            await open.DisposeAsync();
        }

        await server.StopAsync(guard.Token);
    }

    /// <summary>A hello costs nothing: who says it again and again and asks nothing keeps nobody from asking.</summary>
    [Test]
    public async Task Sessions_ThatOnePeerLeavesWithoutARequest_MakeRoomForAnother()
    {
        using CancellationTokenSource guard = new(TimeSpan.FromSeconds(60));
        await using MemoryNetwork network = new();
        MemoryHost provider = network.AddHost(), flooder = network.AddHost(), patient = network.AddHost(), client = network.AddHost();
        network.IntroduceAll();
        ManualTimeProvider time = new();
        await using ServiceProvider meters = new ServiceCollection().AddMetrics().BuildServiceProvider();
        using RelayService relay = new(provider, provider.Key, new RelayLimits(), forwards: false, TimeProvider.System, NullLogger<RelayService>.Instance);
        SimEnclave enclave = new(TestOffers.ModelId, "test-model") { Open = () => new SilentSession() };
        ModelServingOptions model = new();
        OwnOffers own = new(time);
        using TestOffers offers = new(time.GetUtcNow());
        VerifiedOffer offer = OfferWriter.Sign(offers.Create(), provider.LocalPeer, provider.Key);
        own.Add(offer);
        using InferenceServer server = new(
            provider, relay, new ServingSwitch(), new OfferedModels([new Cocoon.Node.Serving.OfferedModel(enclave, model, new ServingPrices(model, isAutomatic: false))]), own,
            new QuoteIssuer(provider.Key, time), null!, new ServingMetrics(meters.GetRequiredService<IMeterFactory>()),
            Options.Create(new ServingOptions { MaxSessions = 8 }), time, NullLogger<InferenceServer>.Instance);
        await server.StartAsync(guard.Token);
        (SessionLink Link, ProviderMessage Answer) first = await HelloAsync(patient);
        Assert.That(first.Answer.Welcome, Is.Not.Null);
        for (int i = 0; i < 7; i++)
        {
            Assert.That((await HelloAsync(flooder)).Answer.Welcome, Is.Not.Null);
        }

        Assert.That((await HelloAsync(client)).Answer.Declined?.Reason, Is.EqualTo(DeclineReason.DeclineSlots), "all of them have just come");
        time.Advance(WaitingSessions.Patience);
        for (int i = 0; i < 3; i++)
        {
            Assert.That((await HelloAsync(client)).Answer.Welcome, Is.Not.Null);
        }

        Assert.That(server.OpenSessions, Is.EqualTo(8));
        ValueTask<ProviderMessage?> waits = first.Link.ReadProviderMessageAsync(guard.Token);
        Assert.That(waits.IsCompleted, Is.False, "who has one session keeps it");
        await server.StopAsync(guard.Token);

        async Task<(SessionLink Link, ProviderMessage Answer)> HelloAsync(MemoryHost host)
        {
            SessionLink link = new(await host.OpenStreamAsync(provider.LocalPeer, [SessionLink.ProtocolId], guard.Token));
            Hello hello = new()
            {
                Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)),
                ModelId = ByteString.CopyFrom(TestOffers.ModelId),
                OfferDigest = ByteString.CopyFrom(offer.Digest.Span),
            };
            hello.Versions.Add(2);
            await link.WriteAsync(new ClientMessage { Hello = hello }, guard.Token);
            return (link, (await link.ReadProviderMessageAsync(guard.Token))!);
        }
    }

    /// <summary>An enclave's session that is welcomed and asked nothing.</summary>
    private sealed class SilentSession : IEnclaveSession
    {
        public ReadOnlyMemory<byte> SessionId { get; } = RandomNumberGenerator.GetBytes(16);

        public Welcome Welcome { get; } = new();

        public ValueTask StartAsync(
            ReadOnlyMemory<byte> header, ReadOnlyMemory<byte> sealedRequest, ulong upToDue, ReadOnlyMemory<byte> statementDigest, CancellationToken cancellationToken) =>
            throw new NotSupportedException("Nobody asks.");

        public ValueTask AllowAsync(ulong upToDue, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask ReportVoucherAsync(ReadOnlyMemory<byte> statementDigest, ulong coversDue, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask CancelAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public IAsyncEnumerable<EnclaveEvent> ReadEventsAsync(CancellationToken cancellationToken) => throw new NotSupportedException("Nobody asks.");

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
