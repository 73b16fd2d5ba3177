using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>Which addresses of a peer are kept when there are more than places.</summary>
public sealed class PeerStoreTests
{
    private static readonly TimeSpan s_day = TimeSpan.FromHours(24), s_moment = TimeSpan.FromSeconds(45);
    private static readonly Libp2pLimits s_limits = new();

    private readonly ManualTimeProvider _time = new();
    private readonly PeerId _peer = NewPeer();

    [Test]
    public void Announced_BehindPlacesFullOfAddressesThatOnceWorked_IsKept()
    {
        PeerStore store = new(s_limits, _time);
        for (int port = 1; port <= 4 * s_limits.AddressesPerPeer; port++)
        {
            // A provider that starts again and again, each time at another port.
            store.AddAddresses(_peer, [Address(port)], s_moment);
            Assert.That(store.GetAddresses(_peer), Does.Contain(Address(port)), $"life {port}");
            store.MarkSeen(_peer, Address(port), s_day);
            _time.Advance(TimeSpan.FromSeconds(2));
        }

        Assert.That(store.GetAddresses(_peer), Has.Count.EqualTo(s_limits.AddressesPerPeer));
        Assert.That(store.GetAddresses(_peer)[0], Is.EqualTo(Address(4 * s_limits.AddressesPerPeer)), "where it was last reached comes first");
    }

    [Test]
    public void Hearsay_OfMoreAddressesThanPlaces_LeavesThoseThatWorked()
    {
        PeerStore store = new(s_limits, _time);
        Multiaddr[] worked = [.. Enumerable.Range(1, s_limits.AddressesPerPeer / 2).Select(Address)];
        foreach (Multiaddr address in worked)
        {
            store.MarkSeen(_peer, address, s_day);
        }

        for (int lie = 0; lie < 10; lie++)
        {
            store.AddAddresses(_peer, Enumerable.Range(1_000 + (100 * lie), 4 * s_limits.AddressesPerPeer).Select(Address), s_day);
        }

        Assert.That(store.GetAddresses(_peer), Has.Count.EqualTo(s_limits.AddressesPerPeer));
        Assert.That(store.GetAddresses(_peer).Take(worked.Length), Is.EquivalentTo(worked));
    }

    [Test]
    public void Record_ThatIsNewer_ReplacesTheOthersAndForgetsNotWhereThePeerWasReached()
    {
        PeerStore store = new(s_limits, _time);
        store.MarkSeen(_peer, Address(1), s_day);
        store.AddAddresses(_peer, [Address(2)], s_day);
        Assert.That(store.TryApplyRecord(new PeerRecord(_peer, 5, [Address(3), Address(1)]), s_moment), Is.True);
        Assert.That(store.TryApplyRecord(new PeerRecord(_peer, 5, [Address(9)]), s_moment), Is.False, "not newer");
        Assert.That(store.GetAddresses(_peer), Is.EqualTo(new[] { Address(1), Address(3) }));
        _time.Advance(TimeSpan.FromHours(2));
        Assert.That(store.GetAddresses(_peer), Is.EqualTo(new[] { Address(1) }), "an address that worked is known for a day");
    }

    [Test]
    public void Peers_OneMoreThanPlaces_ForgetsTheOneUnseenForLongest()
    {
        PeerStore store = new(new Libp2pLimits { StoredPeers = 3 }, _time);
        PeerId[] peers = [NewPeer(), NewPeer(), NewPeer(), NewPeer()];
        foreach (PeerId peer in peers)
        {
            if (peer == peers[3])
            {
                store.MarkSeen(peers[0], Address(1), s_day);
                _time.Advance(TimeSpan.FromSeconds(1));
            }

            store.MarkSeen(peer, Address(1), s_day);
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.That(peers.Select(peer => store.GetAddresses(peer).Count), Is.EqualTo(new[] { 1, 0, 1, 1 }));
    }

    private static Multiaddr Address(int port) => Multiaddr.Parse($"/ip4/127.0.0.1/tcp/{port}");

    private static PeerId NewPeer()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }

    /// <summary>Eight silent addresses that a stranger tells of an honest peer would take all of a dial's time before its own one.</summary>
    [Test]
    public void Addresses_ThatNeverWorked_AreThoseHeardLastFirst_InTheirOrder()
    {
        PeerStore store = new(s_limits, _time);
        Multiaddr[] hearsay = [.. Enumerable.Range(1, 8).Select(i => Multiaddr.Parse($"/ip4/66.1.1.{i}/tcp/1"))];
        Multiaddr[] own = [Multiaddr.Parse("/ip4/44.1.1.1/tcp/1"), Multiaddr.Parse("/ip4/44.1.1.2/tcp/1")];
        store.AddAddresses(_peer, own, s_day);
        store.AddAddresses(_peer, hearsay, s_day);
        store.AddAddresses(_peer, own, s_day);
        Assert.That(store.GetAddresses(_peer), Is.EqualTo((Multiaddr[])[.. own, .. hearsay]));
        store.MarkSeen(_peer, hearsay[7], s_day);
        Assert.That(store.GetAddresses(_peer), Is.EqualTo((Multiaddr[])[hearsay[7], .. own, .. hearsay[..7]]));
    }

    /// <summary>Who connects to us under thousands of names, one after the other, is whom we would be left with after a restart.</summary>
    [Test]
    public void Peers_ThatConnectUnderManyNames_PushOutNobodyThatWeReached()
    {
        PeerStore store = new(s_limits, _time);
        store.MarkSeen(_peer, Multiaddr.Parse("/ip4/44.1.1.1/tcp/1"), s_day);
        for (int i = 0; i < 2 * s_limits.StoredPeers; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(1));
            PeerId.TryFromBytes(Multihash.Sha256(BitConverter.GetBytes(i)), out PeerId? name);
            store.MarkSeen(name!, workingAddress: null, s_day);
            store.AddAddresses(name!, [Multiaddr.Parse("/ip4/66.1.1.1/tcp/1")], s_day);
        }

        IReadOnlyList<SavedPeer> saved = store.Export();
        Assert.That(saved[0].Peer, Is.EqualTo(_peer), "and it is the first to be dialled");
        Assert.That(saved, Has.Count.EqualTo(s_limits.StoredPeers));
        PeerStore restarted = new(s_limits, _time);
        restarted.Import(saved, s_day);
        Assert.That(restarted.Export()[0].Peer, Is.EqualTo(_peer), "after the next start too");
    }

    /// <summary>A file that somebody edited, or that a full disk cut: what can be read of it is, and the rest is an error with a name.</summary>
    [TestCase("null")]
    [TestCase("{\"schema\":1}")]
    [TestCase("{\"schema\":1,\"peers\":[null,{\"id\":null,\"last_seen\":\"2026-01-01T00:00:00+00:00\",\"addrs\":[null]},{\"id\":\"x\",\"addrs\":null}]}")]
    [TestCase("{\"schema\":1,\"peers\":[{\"id\":\"12D3Koo")]
    [TestCase("\0\0\0\0")]
    [TestCase("")]
    public async Task File_ThatIsDamaged_GivesNoPeersOrAnErrorThatTheHostTakes(string text)
    {
        string path = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(path, text);
            await using Libp2pHost host = await TestHosts.StartAsync(peerStorePath: path);
            Assert.That(host.GetKnownPeers(), Is.Empty);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public async Task File_OfAsManyPeersAsMayBeWithTheLongestAddresses_IsReadBack()
    {
        string path = Path.GetTempFileName();
        try
        {
            Libp2pLimits limits = new();
            PeerStoreFile file = new(path, limits.StoredPeers);
            string name = new('a', 200);
            await file.SaveAsync(
                Enumerable.Range(0, limits.StoredPeers).Select(i => new SavedPeer(
                    Peer(i), DateTimeOffset.UnixEpoch,
                    [.. Enumerable.Range(0, limits.AddressesPerPeer).Select(j => j == 0 ? LongAddresses.Of(Peer(i)) : Multiaddr.Parse($"/dns4/{name}/tcp/{j}"))])),
                CancellationToken.None);
            IReadOnlyList<SavedPeer> read = await file.LoadAsync(CancellationToken.None);
            Assert.That(read, Has.Count.EqualTo(limits.StoredPeers));
            Assert.That(read.Select(peer => peer.Addresses.Count), Is.All.EqualTo(8));
        }
        finally
        {
            File.Delete(path);
        }

        static PeerId Peer(int number)
        {
            PeerId.TryFromBytes(Multihash.Sha256(BitConverter.GetBytes(number)), out PeerId? peer);
            return peer!;
        }
    }
}
