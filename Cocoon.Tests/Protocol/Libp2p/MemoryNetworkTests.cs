using Cocoon.Protocol.Libp2p;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>The in-memory hosts keep the contract that protocols rely on.</summary>
public sealed class MemoryNetworkTests
{
    [Test, CancelAfter(10_000)]
    public async Task OpenStream_ToAKnownPeer_CarriesBytesBothWaysAndEnds(CancellationToken cancellationToken)
    {
        await using MemoryNetwork network = new();
        MemoryHost a = network.AddHost(), b = network.AddHost();
        network.IntroduceAll();
        b.Handle("/echo/1.0.0", async (stream, ct) =>
        {
            byte[] message = (await LengthPrefixed.ReadAsync(stream, 1024, ct))!;
            await LengthPrefixed.WriteAsync(stream, message, ct);
        });

        await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, ["/other", "/echo/1.0.0"], cancellationToken);
        await LengthPrefixed.WriteAsync(stream, "hello"u8.ToArray(), cancellationToken);
        byte[]? answer = await LengthPrefixed.ReadAsync(stream, 1024, cancellationToken);
        byte[]? end = await LengthPrefixed.ReadAsync(stream, 1024, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(stream.Protocol, Is.EqualTo("/echo/1.0.0"));
            Assert.That(answer, Is.EqualTo("hello"u8.ToArray()));
            Assert.That(end, Is.Null);
            Assert.That(a.Connections.Single().Peer, Is.EqualTo(b.LocalPeer));
        }
    }

    [Test, CancelAfter(10_000)]
    public async Task Stream_WithLatency_ArrivesWhenTheClockSaysSo(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        MemoryHost anyone = new MemoryNetwork().AddHost();
        (MemoryPeerStream there, MemoryPeerStream here) =
            MemoryPeerStream.CreatePair(anyone.LocalPeer, anyone.LocalPeer, "/x", time, TimeSpan.FromMilliseconds(50));
        await there.WriteAsync(new byte[] { 1, 2, 3 }, cancellationToken);
        ValueTask<int> read = here.ReadAsync(new byte[8], cancellationToken);
        time.Advance(TimeSpan.FromMilliseconds(49));
        bool early = read.IsCompleted;
        time.Advance(TimeSpan.FromMilliseconds(1));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(early, Is.False);
            Assert.That(await read, Is.EqualTo(3));
        }
    }

    [Test, CancelAfter(10_000)]
    public async Task Disconnect_EndsStreamsAndTellsBothSides(CancellationToken cancellationToken)
    {
        await using MemoryNetwork network = new();
        MemoryHost a = network.AddHost(), b = network.AddHost();
        network.IntroduceAll();
        List<PeerEvent> seen = [];
        b.PeerChanged += seen.Add;
        b.Handle("/wait", (stream, ct) => stream.ReadAsync(new byte[1], ct).AsTask());
        await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, ["/wait"], cancellationToken);
        await a.DisconnectAsync(b.LocalPeer);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(async () => await stream.ReadAsync(new byte[1], cancellationToken), Throws.InstanceOf<IOException>());
            Assert.That(seen.Select(e => e.GetType()), Is.EqualTo(new[] { typeof(PeerEvent.Connected), typeof(PeerEvent.Identified), typeof(PeerEvent.Disconnected) }));
            Assert.That(b.Connections, Is.Empty);
        }
    }

    [Test]
    public async Task Connect_UnknownPeer_ThrowsIoException()
    {
        await using MemoryNetwork network = new();
        MemoryHost a = network.AddHost(), b = network.AddHost();
        Assert.That(async () => await a.ConnectAsync(b.LocalPeer, CancellationToken.None), Throws.InstanceOf<IOException>());
    }
}
