using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Gossipsub;

public sealed class PeerScoreTests
{
    private const string Topic = "t";

    private readonly ManualTimeProvider _time = new();

    private static PeerId NewPeer()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }

    private PeerScore Score(Action<PeerScoreOptions>? set = null)
    {
        PeerScoreOptions options = new();
        set?.Invoke(options);
        return new PeerScore(options, _time);
    }

    [Test]
    public void TimeInMesh_Grows_AndEndsWithThePrune()
    {
        PeerScore score = Score();
        PeerId peer = NewPeer();
        score.AddPeer(peer, null);
        score.Graft(peer, Topic);
        _time.Advance(TimeSpan.FromSeconds(100));
        Assert.That(score.Explain(peer).P1, Is.EqualTo(0.5 * 0.0027 * 100).Within(1e-9));
        score.Prune(peer, Topic);
        Assert.That(score.Of(peer), Is.Zero);
    }

    [Test]
    public void FirstDeliveries_Decay_AndTopicsAreCapped()
    {
        PeerScore score = Score();
        PeerId peer = NewPeer();
        score.AddPeer(peer, null);
        for (int i = 0; i < 100; i++)
        {
            MessageId id = new(BitConverter.GetBytes(i));
            score.Begin(id);
            score.Accept(id, Topic, peer);
        }

        Assert.That(score.Explain(peer).P2, Is.EqualTo(50));
        Assert.That(score.Of(peer), Is.EqualTo(10), "the cap");
        _time.Advance(TimeSpan.FromSeconds(3));
        score.Refresh();
        Assert.That(score.Explain(peer).P2, Is.EqualTo(50 / 8.0));
    }

    [Test]
    public void MeshDeficit_IsChargedAfterActivation_AndStaysAfterThePrune()
    {
        PeerScore score = Score(options =>
        {
            options.Topic.MeshDeliveriesWeight = -1;
            options.Topic.MeshFailureWeight = -1;
        });
        PeerId peer = NewPeer();
        score.AddPeer(peer, null);
        score.Graft(peer, Topic);
        _time.Advance(TimeSpan.FromSeconds(4));
        score.Refresh();
        Assert.That(score.Explain(peer).P3, Is.Zero, "not active yet");
        _time.Advance(TimeSpan.FromSeconds(2));
        score.Refresh();
        Assert.That(score.Explain(peer).P3, Is.EqualTo(-0.5 * 400));
        score.Prune(peer, Topic);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(score.Explain(peer).P3, Is.Zero);
            Assert.That(score.Explain(peer).P3b, Is.EqualTo(-0.5 * 400));
        }
    }

    [Test]
    public void DuplicateInTheWindow_CountsAsMeshDelivery_LaterOnesDoNot()
    {
        PeerScore score = Score(options => options.Topic.MeshDeliveriesWeight = -1);
        PeerId first = NewPeer(), near = NewPeer(), late = NewPeer();
        foreach (PeerId peer in new[] { first, near, late })
        {
            score.AddPeer(peer, null);
            score.Graft(peer, Topic);
        }

        _time.Advance(TimeSpan.FromSeconds(6));
        score.Refresh();
        MessageId id = new([1]);
        score.Begin(id);
        score.Accept(id, Topic, first);
        _time.Advance(TimeSpan.FromMilliseconds(5));
        score.Duplicate(id, Topic, near);
        _time.Advance(TimeSpan.FromMilliseconds(50));
        score.Duplicate(id, Topic, late);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(score.Explain(first).P3, Is.EqualTo(-0.5 * 19 * 19));
            Assert.That(score.Explain(near).P3, Is.EqualTo(-0.5 * 19 * 19));
            Assert.That(score.Explain(late).P3, Is.EqualTo(-0.5 * 20 * 20));
        }
    }

    [Test]
    public void InvalidMessages_ChargeEverySender_Squared()
    {
        PeerScore score = Score();
        PeerId first = NewPeer(), during = NewPeer(), after = NewPeer();
        foreach (PeerId peer in new[] { first, during, after })
        {
            score.AddPeer(peer, null);
        }

        MessageId id = new([1]);
        score.Begin(id);
        score.Duplicate(id, Topic, during);
        score.Reject(id, Topic, first);
        score.Duplicate(id, Topic, after);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(score.Of(first), Is.EqualTo(-10));
            Assert.That(score.Of(during), Is.EqualTo(-10));
            Assert.That(score.Of(after), Is.EqualTo(-10));
        }

        score.RejectUnsigned(Topic, first);
        Assert.That(score.Of(first), Is.EqualTo(-40));
    }

    [Test]
    public void Ignored_ChargesNobody()
    {
        PeerScore score = Score();
        PeerId peer = NewPeer();
        score.AddPeer(peer, null);
        MessageId id = new([1]);
        score.Begin(id);
        score.Ignore(id);
        score.Duplicate(id, Topic, peer);
        Assert.That(score.Of(peer), Is.Zero);
    }

    [Test]
    public void Colocation_ChargesTheSurplus_AndEndsWhenPeersLeave()
    {
        PeerScore score = Score();
        List<PeerId> peers = [.. Enumerable.Range(0, 13).Select(_ => NewPeer())];
        peers.ForEach(peer => score.AddPeer(peer, "192.0.2.1"));
        Assert.That(score.Explain(peers[0]).P6, Is.EqualTo(-45));
        peers.Skip(10).ToList().ForEach(score.RemovePeer);
        Assert.That(score.Of(peers[0]), Is.Zero);
    }

    [Test]
    public void Behaviour_CountsAboveTheThreshold_AndDecays()
    {
        PeerScore score = Score();
        PeerId peer = NewPeer();
        score.AddPeer(peer, null);
        score.Penalize(peer, 6);
        Assert.That(score.Of(peer), Is.Zero);
        score.Penalize(peer, 3);
        Assert.That(score.Of(peer), Is.EqualTo(-90));
        _time.Advance(TimeSpan.FromSeconds(1));
        score.Refresh();
        Assert.That(score.Of(peer), Is.EqualTo(-10 * Math.Pow((9 * 0.9) - 6, 2)).Within(1e-9));
    }

    [Test]
    public void Reconnect_DoesNotWashOff_UntilTheRetentionEnds()
    {
        PeerScore score = Score(options => options.BehaviourDecay = 1);
        PeerId peer = NewPeer();
        score.AddPeer(peer, "192.0.2.1");
        score.Penalize(peer, 8);
        score.RemovePeer(peer);
        score.AddPeer(peer, "192.0.2.2");
        Assert.That(score.Of(peer), Is.EqualTo(-40));
        score.RemovePeer(peer);
        _time.Advance(TimeSpan.FromMinutes(11));
        score.Refresh();
        Assert.That(score.Of(peer), Is.Zero);
    }

    [Test]
    public void RemovePeer_KeepsARecordOnlyOfWhatIsAgainstIt()
    {
        PeerScore score = Score();
        PeerId clean = NewPeer(), meshed = NewPeer(), liar = NewPeer(), flooder = NewPeer();
        foreach (PeerId peer in new[] { clean, meshed, liar, flooder })
        {
            score.AddPeer(peer, "192.0.2.1");
            score.Graft(peer, Topic);
        }

        score.RejectUnsigned(Topic, liar);
        score.Penalize(flooder, 1);
        score.Prune(meshed, Topic);
        foreach (PeerId peer in new[] { clean, meshed, liar, flooder })
        {
            score.RemovePeer(peer);
        }

        Assert.That(score.Count, Is.EqualTo(2));
        score.AddPeer(liar, null);
        score.AddPeer(flooder, null);
        Assert.That(score.Explain(liar).P4, Is.LessThan(0), "coming back washes nothing off");
        score.Penalize(flooder, 6);
        Assert.That(score.Of(flooder), Is.EqualTo(-10), "one above the threshold: the first penalty still counts");
    }

    [Test]
    public void ApplicationScore_IsWeighted()
    {
        PeerScore score = Score(options => options.ApplicationScore = _ => -3);
        PeerId peer = NewPeer();
        score.AddPeer(peer, null);
        Assert.That(score.Of(peer), Is.EqualTo(-30));
    }
}
