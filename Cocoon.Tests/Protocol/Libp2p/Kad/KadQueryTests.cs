using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Kad;

/// <summary>One lookup among peers of which some name others that do not exist.</summary>
[CancelAfter(30_000)]
public sealed class KadQueryTests
{
    private static readonly KadId s_target = KadId.Of("target"u8);

    private readonly Dictionary<PeerId, IReadOnlyList<KadPeer>> _closer = [];
    private readonly List<PeerId> _asked = [];

    [SetUp]
    public void Forget()
    {
        _closer.Clear();
        _asked.Clear();
    }

    [Test]
    public async Task Liar_ThatNamesNobodiesInTheNetworksOfOthers_ShutsNoneOfThemOut()
    {
        KadPeer[] honest = [.. Enumerable.Range(0, 6).Select(i => Peer(100 + i, $"/ip4/44.{i}.1.1/tcp/1"))];
        KadPeer[] nobodies = [.. Enumerable.Range(0, 18).Select(i => Peer(200 + i, $"/ip4/44.{i % 6}.2.{i}/tcp/1"))];
        KadPeer[] seeds = [.. new[] { Peer(1), Peer(2) }.OrderBy(peer => s_target.DistanceTo(KadId.Of(peer.Peer)))];
        (KadPeer liar, KadPeer other) = (seeds[0], seeds[1]);
        _closer[liar.Peer] = nobodies;
        _closer[other.Peer] = honest;
        foreach (KadPeer peer in honest)
        {
            _closer[peer.Peer] = [];
        }

        // One at a time, the liar first.
        KadQueryResult result = await Query(parallelism: 1).RunAsync([liar.Peer, other.Peer], CancellationToken.None);
        Assert.That(result.Closest.Select(peer => peer.Peer), Is.SupersetOf(honest.Select(peer => peer.Peer)));
    }

    [Test]
    public async Task Answer_ThatNamesMoreThanTheNearest_IsFollowedNoFurther()
    {
        KadPeer liar = Peer(1);
        _closer[liar.Peer] = [.. Enumerable.Range(0, 64).Select(i => Peer(200 + i, $"/ip4/{20 + i}.1.1.1/tcp/1"))];
        await Query(parallelism: 10).RunAsync([liar.Peer], CancellationToken.None);
        Assert.That(_asked, Has.Count.EqualTo(1 + 21));
    }

    [Test]
    public async Task Peers_OfOneNetwork_AreAskedThreeAtMost_AlsoWhenOthersNameThemElsewhere()
    {
        KadPeer[] sybils = [.. Enumerable.Range(0, 12).Select(i => Peer(100 + i, $"/ip4/44.1.1.{i}/tcp/1"))];
        KadPeer first = Peer(1);
        _closer[first.Peer] = sybils;
        foreach (KadPeer sybil in sybils)
        {
            _closer[sybil.Peer] = sybils;
        }

        KadQueryResult result = await Query(parallelism: 10).RunAsync([first.Peer], CancellationToken.None);
        Assert.That(_asked.Intersect(sybils.Select(peer => peer.Peer)).Count(), Is.EqualTo(3));

        // Who goes on where this one ended keeps the rule.
        await Query(parallelism: 10).RunAsync([result], CancellationToken.None);
        Assert.That(_asked.Intersect(sybils.Select(peer => peer.Peer)).Count(), Is.EqualTo(3));
    }

    private static KadPeer Peer(int number, params string[] addresses)
    {
        Assert.That(PeerId.TryFromBytes(Multihash.Sha256(BitConverter.GetBytes(number)), out PeerId? peer));
        return new KadPeer(peer!, [.. addresses.Select(Multiaddr.Parse)]);
    }

    private KadQuery Query(int parallelism) => new(
        s_target, new KadOptions { Protocol = KadNetwork.Protocol }, parallelism, breadth: 20, _ => true, AskAsync, (_, _) => false);

    private Task<KadMessage?> AskAsync(PeerId peer, CancellationToken cancellationToken)
    {
        _asked.Add(peer);
        return Task.FromResult(_closer.TryGetValue(peer, out IReadOnlyList<KadPeer>? closer) ? new KadMessage(KadMessageType.FindNode) { CloserPeers = [.. closer] } : null);
    }
}
