using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Gossipsub;

/// <summary>What a router remembers has bounds, whatever it is sent.</summary>
public sealed class GossipCacheTests
{
    private const string Topic = "topic";
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch;

    private Ed25519PrivateKey _key = null!;

    [OneTimeSetUp]
    public void SetUp() => _key = Ed25519PrivateKey.Generate();

    [OneTimeTearDown]
    public void TearDown() => _key.Dispose();

    [Test]
    public void Seen_BeyondItsCapacity_ForgetsTheOldest()
    {
        SeenCache seen = new(TimeSpan.FromMinutes(2), capacity: 100);
        MessageId[] ids = [.. Enumerable.Range(0, 250).Select(Id)];
        foreach (MessageId id in ids)
        {
            Assert.That(seen.TryAdd(id, Now), Is.True);
            Assert.That(seen.TryAdd(id, Now), Is.False);
        }

        Assert.That(seen.Count, Is.EqualTo(100));
        Assert.That(ids.Select(seen.Contains), Is.EqualTo(Enumerable.Range(0, 250).Select(i => i >= 150)));
    }

    [Test]
    public void Seen_AfterItsTime_ForgetsAndTakesTheSameAgain()
    {
        SeenCache seen = new(TimeSpan.FromMinutes(2), capacity: 100);
        seen.TryAdd(Id(1), Now);
        seen.TryAdd(Id(2), Now.AddMinutes(1));
        seen.Expire(Now.AddMinutes(2));
        Assert.That((seen.Count, seen.Contains(Id(1)), seen.Contains(Id(2))), Is.EqualTo((1, false, true)));
        Assert.That(seen.TryAdd(Id(1), Now.AddMinutes(2)), Is.True);
    }

    [Test]
    public void Messages_OfOneHeartbeat_KeepToTheBoundInBytes_AndTheNewestStay()
    {
        GossipMessage[] messages = [.. Enumerable.Range(1, 300).Select(i => Message((ulong)i, 1000))];
        int size = messages[0].Raw.Length;
        MessageCache cache = new(windowCount: 5, gossipWindows: 3, maxBytes: 100 * size);
        foreach (GossipMessage message in messages)
        {
            cache.Put(message);
        }

        Assert.That(cache.Count, Is.EqualTo(100));
        Assert.That(cache.NewestIds(Topic), Is.EquivalentTo(messages[200..].Select(m => m.Id)));
    }

    [Test]
    public void Messages_OfManyHeartbeats_LoseTheOldestWindowFirst()
    {
        GossipMessage[] messages = [.. Enumerable.Range(1, 40).Select(i => Message((ulong)i, 1000))];
        MessageCache cache = new(windowCount: 5, gossipWindows: 3, maxBytes: 25 * messages[0].Raw.Length);
        foreach (GossipMessage[] heartbeat in messages.Chunk(10))
        {
            cache.Shift();
            foreach (GossipMessage message in heartbeat)
            {
                cache.Put(message);
            }
        }

        Assert.That(cache.Count, Is.LessThanOrEqualTo(25).And.GreaterThanOrEqualTo(20));
        Assert.That(cache.GossipIds(Topic), Is.SupersetOf(messages[20..].Select(m => m.Id)));
        for (int i = 0; i < 5; i++)
        {
            cache.Shift();
        }

        Assert.That(cache.Count, Is.Zero, "five heartbeats later nobody can fetch them");
    }

    [Test]
    public void Message_FetchedAsOftenAsAPeerMay_IsGivenToOthersOnly()
    {
        MessageCache cache = new(windowCount: 5, gossipWindows: 3, maxBytes: 1 << 20);
        GossipMessage message = Message(1, 10);
        cache.Put(message);
        PeerId first = PeerId.FromPublicKey(_key.PublicKey);
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        Assert.That(Enumerable.Range(0, 5).Select(_ => cache.TakeForPeer(message.Id, first, maxTransmissions: 3) is not null), Is.EqualTo(new[] { true, true, true, false, false }));
        Assert.That(cache.TakeForPeer(message.Id, PeerId.FromPublicKey(other.PublicKey), maxTransmissions: 3), Is.Not.Null);
    }

    private static MessageId Id(int number) => MessageId.Of("from"u8, BitConverter.GetBytes(number));

    private GossipMessage Message(ulong sequence, int length) => MessageSigning.Create(_key, Topic, new byte[length], sequence);
}
