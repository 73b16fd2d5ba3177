using System.Text;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Kad;

public sealed class RoutingTableTests
{
    private readonly ManualTimeProvider _time = new();

    /// <summary>Hashed ids: cheap to make by the thousand.</summary>
    private static PeerId NewPeer(int i) =>
        PeerId.TryFromBytes(Multihash.Sha256(BitConverter.GetBytes(i)), out PeerId? peer) ? peer : throw new InvalidOperationException();

    [Test]
    public void Closest_OfAnyTarget_IsWhatSortingFinds()
    {
        PeerId local = NewPeer(-1);
        RoutingTable table = new(local, 20, _time);
        List<PeerId> inside = [.. Enumerable.Range(0, 2000).Select(NewPeer).Where(peer => table.TryAdd(peer, null) == TableAddResult.Added)];
        for (int i = 0; i < 200; i++)
        {
            KadId target = i % 20 == 0 ? KadId.Of(local) : KadId.Of(BitConverter.GetBytes(i));
            Assert.That(
                table.Closest(target, 20),
                Is.EqualTo(inside.OrderBy(peer => KadId.Of(peer).DistanceTo(target)).Take(20)));
        }

        Assert.That(table.Count, Is.InRange(60, 200));
    }

    [Test]
    public void CommonPrefixLength_AgreesWithTheDistance()
    {
        for (int i = 0; i < 1000; i++)
        {
            KadId a = KadId.Of(BitConverter.GetBytes(i)), b = KadId.Of(BitConverter.GetBytes(-i - 1));
            string distance = string.Concat(a.DistanceTo(b).ToString().Select(c => Convert.ToString(Convert.ToInt32(c.ToString(), 16), 2).PadLeft(4, '0')));
            Assert.That(a.CommonPrefixLength(b), Is.EqualTo(distance.IndexOf('1', StringComparison.Ordinal)));
        }

        Assert.That(KadId.Of("x"u8).CommonPrefixLength(KadId.Of("x"u8)), Is.EqualTo(256));
    }

    [Test]
    public void TryAdd_ToAFullBucket_KeepsTheOldOnes_AndNamesTheSilentOne()
    {
        RoutingTable table = new(NewPeer(-1), 2, _time);
        KadId self = KadId.Of(NewPeer(-1));
        List<PeerId> bucket = [.. Enumerable.Range(0, 100).Select(NewPeer).Where(peer => self.CommonPrefixLength(KadId.Of(peer)) == 0).Take(3)];
        table.TryAdd(bucket[0], null);
        _time.Advance(TimeSpan.FromMinutes(1));
        table.TryAdd(bucket[1], null);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(table.TryAdd(bucket[2], null), Is.EqualTo(TableAddResult.Full));
            Assert.That(table.EvictionCandidate(bucket[2], TimeSpan.FromMinutes(10)), Is.Null);
        }

        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.That(table.EvictionCandidate(bucket[2], TimeSpan.FromMinutes(10)), Is.EqualTo(bucket[0]));
    }

    [Test]
    public void HasPlaceFor_AFullBucket_OnlyOnceOneOfItIsSilent()
    {
        RoutingTable table = new(NewPeer(-1), 2, _time);
        KadId self = KadId.Of(NewPeer(-1));
        List<PeerId> bucket = [.. Enumerable.Range(0, 100).Select(NewPeer).Where(peer => self.CommonPrefixLength(KadId.Of(peer)) == 0).Take(3)];
        TimeSpan grace = TimeSpan.FromMinutes(10);
        Assert.That(table.HasPlaceFor(bucket[0], grace));
        table.TryAdd(bucket[0], null);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(table.HasPlaceFor(bucket[0], grace), Is.False, "it is there");
            Assert.That(table.HasPlaceFor(bucket[1], grace));
        }

        table.TryAdd(bucket[1], null);
        Assert.That(table.HasPlaceFor(bucket[2], grace), Is.False);
        _time.Advance(grace + TimeSpan.FromSeconds(1));
        table.TryAdd(bucket[1], null);
        Assert.That(table.HasPlaceFor(bucket[2], grace), "the other one was silent for too long");
    }

    [Test]
    public void TryAdd_OfOneAddressGroup_StopsAtTwoInABucketAndThreeInAll()
    {
        RoutingTable table = new(NewPeer(-1), 20, _time);
        List<TableAddResult> results = [.. Enumerable.Range(0, 200).Select(i => table.TryAdd(NewPeer(i), "0A00"))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(results.Count(result => result == TableAddResult.Added), Is.EqualTo(3));
            Assert.That(table.Snapshot().Max(bucket => bucket.Peers.Count), Is.LessThanOrEqualTo(2));
            Assert.That(table.TryAdd(NewPeer(1000), "0A01"), Is.EqualTo(TableAddResult.Added));
        }
    }

    [Test]
    public void Failed_TwiceInARow_Removes()
    {
        RoutingTable table = new(NewPeer(-1), 20, _time);
        PeerId peer = NewPeer(1);
        table.TryAdd(peer, null);
        table.Failed(peer);
        table.TryAdd(peer, null);
        table.Failed(peer);
        Assert.That(table.Contains(peer), "an answer between them");
        table.Failed(peer);
        Assert.That(table.Contains(peer), Is.False);
    }

    [Test]
    public void Providers_OfOneKey_AreBounded_AndOneGroupCannotPushOutTheOthers()
    {
        ProviderStore store = new(NewPeer(-1), new KadOptions { Protocol = "/x" }, _time);
        byte[] key = Multihash.Sha256("k"u8);
        Multiaddr address = Multiaddr.Parse("/ip4/10.0.0.1/tcp/1");
        store.Add(key, NewPeer(0), [address], "honest");
        for (int i = 1; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            store.Add(key, NewPeer(i), [address], "flood");
        }

        List<KadPeer> providers = store.Get(key);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(providers, Has.Count.EqualTo(20));
            Assert.That(providers.Select(provider => provider.Peer), Does.Contain(NewPeer(0)));
        }
    }

    /// <summary>Keys near a node are made by trial in no time: one owner with as many as he likes leaves what others placed.</summary>
    [Test]
    public void Stores_FloodedByOneGroupWithNearerKeys_KeepWhatOthersPlaced()
    {
        PeerId local = NewPeer(-1);
        KadOptions options = new() { Protocol = "/x", MaxProviderKeys = 80, MaxRecords = 80 };
        options.Validators.Add("cocoon", new HigherVersionValidator());
        ProviderStore providers = new(local, options, _time);
        RecordStore records = new(local, options, _time);
        List<byte[]> keys = Nearest(Enumerable.Range(0, 2000).Select(i => Multihash.Sha256(BitConverter.GetBytes(i)))), honest = keys[^10..];
        List<byte[]> names = Nearest(Enumerable.Range(0, 2000).Select(i => Encoding.ASCII.GetBytes($"/cocoon/{i}"))), honestNames = names[^10..];
        honest.ForEach(key => Assert.That(providers.Add(key, NewPeer(1), [], "honest")));
        honestNames.ForEach(name => Assert.That(records.Put(name, [1], "honest")));
        int taken = keys[..^10].Count(key => providers.Add(key, NewPeer(2), [], "flood")), placed = names[..^10].Count(name => records.Put(name, [1], "flood"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((taken, placed), Is.EqualTo((10, 10)));
            Assert.That(honest.All(key => providers.Get(key).Count == 1));
            Assert.That(honestNames.All(name => records.Get(name) is not null));
            Assert.That(providers.Add(keys[0], NewPeer(2), [], "flood"), "what it has it may renew");
        }

        // What ran out makes room again.
        _time.Advance(options.ProviderTimeToLive);
        providers.Expire();
        records.Expire();
        Assert.That(keys[..^10].Count(key => providers.Add(key, NewPeer(2), [], "flood")), Is.EqualTo(10));

        List<byte[]> Nearest(IEnumerable<byte[]> all) => [.. all.OrderBy(key => KadId.Of(key).DistanceTo(KadId.Of(local)))];
    }

    [Test]
    public void Stores_WhenFull_KeepTheNearest()
    {
        PeerId local = NewPeer(-1);
        KadOptions options = new() { Protocol = "/x", MaxProviderKeys = 50 };
        ProviderStore store = new(local, options, _time);
        List<byte[]> keys = [.. Enumerable.Range(0, 500).Select(i => Multihash.Sha256(BitConverter.GetBytes(i)))];
        keys.ForEach(key => store.Add(key, NewPeer(1), [], null));
        IEnumerable<byte[]> nearest = keys.OrderBy(key => KadId.Of(key).DistanceTo(KadId.Of(local))).Take(50);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(store.KeyCount, Is.EqualTo(50));
            Assert.That(nearest.All(key => store.Get(key).Count == 1));
        }
    }

    [Test]
    public void ProviderAddresses_ExpireBeforeTheRecord()
    {
        ProviderStore store = new(NewPeer(-1), new KadOptions { Protocol = "/x" }, _time);
        byte[] key = Multihash.Sha256("k"u8);
        store.Add(key, NewPeer(1), [Multiaddr.Parse("/ip4/10.0.0.1/tcp/1")], null);
        _time.Advance(TimeSpan.FromHours(25));
        Assert.That(store.Get(key).Single().Addresses, Is.Empty);
        _time.Advance(TimeSpan.FromHours(24));
        Assert.That(store.Get(key), Is.Empty);
        store.Expire();
        Assert.That(store.KeyCount, Is.Zero);
    }

    [Test]
    public void RateLimiter_RefillsByTime_AndStaysBounded()
    {
        RateLimiter<int> limiter = new(2, 4, _time, capacity: 16);
        List<bool> taken = [.. Enumerable.Range(0, 6).Select(_ => limiter.TryTake(1))];
        Assert.That(taken, Is.EqualTo(new[] { true, true, true, true, false, false }));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(limiter.TryTake(1) && limiter.TryTake(1) && !limiter.TryTake(1));
        for (int i = 2; i < 1000; i++)
        {
            limiter.TryTake(i);
        }

        Assert.That(limiter.TryTake(1), Is.False, "the exhausted one is not forgotten for the others");
    }
}
