using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Kad;

/// <summary>Three paths that share the k nearest peers: what one of them hears first, it takes from nobody.</summary>
[CancelAfter(60_000)]
public sealed class KadDisjointPathTests
{
    private const int SybilCount = 7, HolderCount = 20, SeedCount = 3;

    private static readonly byte[] _key = "/cocoon/key"u8.ToArray();

    [Test]
    public async Task Value_OfWhichALiarHearsFirst_IsFoundByTheOtherPaths()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        Cast cast = new(network);
        TaskCompletionSource lied = new();

        // The liar names everybody, so that its path has heard of all, with seven peers of its own nearer than the others.
        cast.Serve(cast.Seeds[0], () => [.. cast.Sybils, .. cast.Holders], then: lied);
        cast.Serve(cast.Seeds[1], () => cast.Holders, after: lied.Task);
        cast.Serve(cast.Seeds[2], () => cast.Holders, after: lied.Task);

        // The twenty nearest are the seven and thirteen holders: the last of those has the value.
        KadNode reader = await cast.JoinAsync(cast.Holders[HolderCount - SybilCount - 1]);
        ReadOnlyMemory<byte>? value = await network.Time.RunAsync(reader.Dht.GetValueAsync(_key));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(value?.ToArray(), Is.EqualTo(new byte[] { 7 }));
            Assert.That(cast.Asked, Is.SupersetOf(cast.Holders.Take(HolderCount - SybilCount)));
            Assert.That(cast.Asked, Is.Unique, "one path asks a peer");
            Assert.That(cast.Asked, Has.Count.LessThanOrEqualTo(SeedCount + SybilCount + HolderCount));
        }
    }

    [Test]
    public async Task Value_OfWhoseHoldersOnePathAloneHears_IsFound()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        Cast cast = new(network);
        cast.Serve(cast.Seeds[0], () => cast.Holders);
        cast.Serve(cast.Seeds[1], () => []);
        cast.Serve(cast.Seeds[2], () => []);
        KadNode reader = await cast.JoinAsync(cast.Holders[^1]);
        ReadOnlyMemory<byte>? value = await network.Time.RunAsync(reader.Dht.GetValueAsync(_key));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(value?.ToArray(), Is.EqualTo(new byte[] { 7 }), "its path asked seven of them, the others are asked in the end");
            Assert.That(cast.Asked, Is.EquivalentTo((PeerId[])[.. cast.Seeds, .. cast.Holders]));
        }
    }

    /// <summary>Hosts in the order of their distance to the key, which answer what the test says; nearest the Sybils, then holders, then the seeds.</summary>
    private sealed class Cast
    {
        private readonly KadNetwork _network;
        private readonly MemoryHost[] _hosts;
        private PeerId? _holder;

        public Cast(KadNetwork network)
        {
            _network = network;
            _hosts =
            [
                .. Enumerable.Range(0, SybilCount + HolderCount + SeedCount).Select(_ => network.Network.AddHost())
                    .OrderBy(host => KadId.Of(host.LocalPeer).DistanceTo(KadId.Of(_key))),
            ];
            foreach (MemoryHost host in _hosts[..(SybilCount + HolderCount)])
            {
                Serve(host.LocalPeer, () => []);
            }
        }

        public PeerId[] Sybils => [.. _hosts.Take(SybilCount).Select(host => host.LocalPeer)];

        public PeerId[] Holders => [.. _hosts.Skip(SybilCount).Take(HolderCount).Select(host => host.LocalPeer)];

        public PeerId[] Seeds => [.. _hosts.TakeLast(SeedCount).Select(host => host.LocalPeer)];

        /// <summary>Who was asked for the key, in order.</summary>
        public List<PeerId> Asked { get; } = [];

        /// <param name="closer">Whom it names to who looks for the key; to others nobody.</param>
        public void Serve(PeerId peer, Func<PeerId[]> closer, Task? after = null, TaskCompletionSource? then = null) =>
            Find(peer).Handle(KadNetwork.Protocol, async (stream, cancellationToken) =>
            {
                while (await LengthPrefixed.ReadAsync(stream, 64 << 10, cancellationToken) is { } frame)
                {
                    KadMessage request = KadMessageReader.Read(frame), answer = new(request.Type) { Key = request.Key };
                    if (request.Key.Span.SequenceEqual(_key) && request.Type == KadMessageType.GetValue)
                    {
                        Asked.Add(peer);
                        await (after ?? Task.CompletedTask);
                        answer = answer with
                        {
                            CloserPeers = [.. closer().Select(named => new KadPeer(named, Find(named).Addresses))],
                            Record = peer == _holder ? new KadRecord(_key, new byte[] { 7 }) : null,
                        };
                    }

                    await LengthPrefixed.WriteAsync(stream, KadMessageWriter.Write(answer), cancellationToken);
                    if (answer.CloserPeers.Count > 0)
                    {
                        then?.TrySetResult();
                    }
                }
            });

        /// <summary>A client that has the three seeds in its table.</summary>
        public async Task<KadNode> JoinAsync(PeerId holder)
        {
            _holder = holder;
            KadNode reader = _network.Add(KadMode.Client);
            foreach (MemoryHost seed in _hosts.TakeLast(SeedCount))
            {
                reader.Host.AddAddresses(seed.LocalPeer, seed.Addresses, TimeSpan.FromHours(1));
                await reader.Host.ConnectAsync(seed.LocalPeer, CancellationToken.None);
            }

            await _network.Time.UntilAsync(() => reader.Dht.PeerCount == SeedCount, "the seeds are in the table");
            return reader;
        }

        private MemoryHost Find(PeerId peer) => _hosts.First(host => host.LocalPeer == peer);
    }
}
