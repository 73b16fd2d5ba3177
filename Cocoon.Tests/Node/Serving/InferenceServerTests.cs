using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Sessions.Proto;
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
}
