using System.Buffers.Binary;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>Garbage, lies about lengths and silence after each protocol was agreed on: the stream ends, everything else goes on.</summary>
/// <remarks>What the process allocates is counted: nothing runs beside it.</remarks>
[CancelAfter(120_000), NonParallelizable]
public sealed class HostileProtocolTests
{
    private const string Kad = "/cocoon/test/kad/1.0.0";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Test]
    public async Task Garbage_OnEveryProtocol_EndsItsStreamOnly(CancellationToken cancellationToken)
    {
        await using Everything target = await Everything.StartAsync(TimeProvider.System);
        Random random = new(7);
        Dictionary<string, int> arrived = target.Host.Protocols.ToDictionary(protocol => protocol, _ => 0);
        foreach (string protocol in target.Host.Protocols)
        {
            foreach (byte[] garbage in Garbage(random))
            {
                // A fresh identity each time: rates and scores are by peer, and this is about parsers.
                await using Libp2pHost attacker = await TestHosts.StartAsync();
                await attacker.ConnectAsync(target.Host.FullAddress(), cancellationToken);
                arrived[protocol] += await EndAsync(attacker, target.Host.LocalPeer, protocol, garbage, cancellationToken) ? 1 : 0;
            }
        }

        int each = Garbage(random).Count();

        // Hole punching is for relayed connections: on a direct one its stream is reset before anything is read.
        Assert.That(arrived.Where(item => item.Key != DcutrOptions.Protocol && item.Value != each), Is.Empty, "streams of every protocol were accepted");
        await using Libp2pHost honest = await TestHosts.StartAsync();
        await honest.ConnectAsync(target.Host.FullAddress(), cancellationToken);
        await honest.PingAsync(target.Host.LocalPeer, cancellationToken);
        await Eventually.TrueAsync("no stream is left", () => target.Host.InboundStreams == 0, Patience, cancellationToken);
        Assert.That(target.Host.Protocols, Has.Count.GreaterThanOrEqualTo(10), "all of them were tried");
    }

    [Test]
    public async Task LengthOfGigabytes_OnEveryProtocol_AllocatesNothingOfIt(CancellationToken cancellationToken)
    {
        await using Everything target = await Everything.StartAsync(TimeProvider.System);
        await using Libp2pHost attacker = await TestHosts.StartAsync();
        await attacker.ConnectAsync(target.Host.FullAddress(), cancellationToken);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        foreach (string protocol in target.Host.Protocols)
        {
            // 2^31 - 1, 2^63 - 1, and an unending varint; each with a few bytes behind it.
            foreach (byte[] prefix in (byte[][])[[0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], [.. Enumerable.Repeat((byte)0xff, 40)]])
            {
                await EndAsync(attacker, target.Host.LocalPeer, protocol, [.. prefix, 1, 2, 3], cancellationToken);
            }
        }

        Assert.That(GC.GetTotalAllocatedBytes(precise: true) - before, Is.LessThan(64 << 20), "both sides together, for some forty streams");
    }

    [Test]
    public async Task Silence_AfterOneByteOnEveryProtocol_IsNotWaitedForWithoutEnd(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using Everything target = await Everything.StartAsync(time);
        await using Libp2pHost attacker = await TestHosts.StartAsync();
        await attacker.ConnectAsync(target.Host.FullAddress(), cancellationToken);
        await Eventually.TrueAsync("identify is over", () => target.Host.InboundStreams == 0 && attacker.Connections.Any(c => c.AgentVersion.Length > 0), Patience, cancellationToken);
        List<Task> ends = [];
        List<IPeerStream> streams = [];
        foreach (string protocol in target.Host.Protocols)
        {
            IPeerStream stream = await attacker.OpenStreamAsync(target.Host.LocalPeer, [protocol], cancellationToken);
            await stream.WriteAsync(new byte[] { 40 }, cancellationToken);
            streams.Add(stream);
            ends.Add(ReadToEndAsync(stream, cancellationToken));
        }

        await time.AdvanceUntilAsync(Task.WhenAll(ends), cancellationToken);
        Assert.That(streams, Has.Count.GreaterThanOrEqualTo(8));
        Assert.That(time.GetUtcNow() - new ManualTimeProvider().GetUtcNow(), Is.LessThan(TimeSpan.FromMinutes(3)));
        foreach (IPeerStream stream in streams)
        {
            await stream.DisposeAsync();
        }
    }

    private static IEnumerable<byte[]> Garbage(Random random)
    {
        byte[] noise = new byte[300], framed = new byte[202], nested = new byte[130];
        random.NextBytes(noise);
        random.NextBytes(framed);
        (framed[0], framed[1]) = (0xc8, 0x01);

        // A message of fields inside of fields, each as long as it can be.
        for (int i = 2; i < nested.Length; i += 2)
        {
            (nested[i], nested[i + 1]) = (0x0a, (byte)(nested.Length - i - 2));
        }

        (nested[0], nested[1]) = (0x80, 0x01);
        yield return noise;
        yield return framed;
        yield return nested;
        yield return [0];
        yield return [5, 8, 1];
        yield return [];
    }

    /// <summary>Writes, ends our side, and reads until the other one has ended too, however it does.</summary>
    /// <returns>Whether the stream was accepted at first.</returns>
    private static async Task<bool> EndAsync(Libp2pHost attacker, PeerId target, string protocol, byte[] payload, CancellationToken cancellationToken)
    {
        if (protocol.StartsWith("/perf/", StringComparison.Ordinal))
        {
            // The first eight bytes are a count wanted back, and wanting very much of it is no offence where it is served at all.
            BinaryPrimitives.WriteUInt64BigEndian(payload = [.. payload, .. new byte[8]], 1000);
        }

        bool isAccepted = false;
        try
        {
            await using IPeerStream stream = await attacker.OpenStreamAsync(target, [protocol], cancellationToken);
            isAccepted = true;
            await stream.WriteAsync(payload, cancellationToken);
            await stream.CloseWriteAsync(cancellationToken);
            await ReadToEndAsync(stream, cancellationToken);
        }
        catch (IOException)
        {
            // Refused at once, as gossip refuses who misbehaved before, or reset while we were writing.
        }

        return isAccepted;
    }

    private static async Task ReadToEndAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (await stream.ReadAsync(buffer, cancellationToken) > 0)
            {
            }
        }
        catch (IOException)
        {
            // Reset: an end all the same.
        }
    }

    /// <summary>A host that serves all protocols of the network layer.</summary>
    private sealed class Everything(Libp2pHost host, KademliaDht dht, GossipsubRouter router, Ed25519PrivateKey key) : IAsyncDisposable
    {
        public Libp2pHost Host => host;

        public static async Task<Everything> StartAsync(TimeProvider time)
        {
            Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            Libp2pHost host = new(new Libp2pHostOptions
            {
                Identity = key,
                ListenAddresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
                AllowPrivateAddresses = true,
                RelayService = new RelayLimits(),
                AutoNat = new AutoNatOptions(),
                Dcutr = new DcutrOptions(),
                ServePerf = true,
                TimeProvider = time,
                Limits = new Libp2pLimits { KeepAliveInterval = TimeSpan.FromHours(1), PingInterval = TimeSpan.FromHours(1), CloseTimeout = TimeSpan.Zero },
            });
            host.Handle(TestHosts.EchoProtocol, TestHosts.EchoAsync);
            await host.StartAsync(CancellationToken.None);
            KademliaDht dht = new(host, new KadOptions { Protocol = Kad, Mode = KadMode.Server, AllowLocalAddresses = true }, time);
            dht.Start();
            GossipsubRouter router = new(host, key, new GossipsubOptions(), time);
            router.Start();
            return new Everything(host, dht, router, key);
        }

        public async ValueTask DisposeAsync()
        {
            await router.DisposeAsync();
            await dht.DisposeAsync();
            await host.DisposeAsync();
            key.Dispose();
        }
    }
}
