using Cocoon.Node.Peers;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Peers;

/// <summary>Whom a node dials to get back into its network.</summary>
public sealed class PeerNetworkTests
{
    /// <summary>Who was connected last before a restart need not be there, nor anybody's friend: the others have their turn.</summary>
    [Test]
    public void Choose_AgainAndAgain_TriesEverybody()
    {
        PeerId[] known = [.. Enumerable.Range(0, 40).Select(Peer)];
        HashSet<PeerId> tried = [];
        for (int round = 0; round < 1000; round++)
        {
            IReadOnlyList<PeerId> chosen = PeerNetwork.Choose(known);
            Assert.That(chosen, Has.Count.EqualTo(4).And.Unique);
            Assert.That(chosen.Take(2), Is.EqualTo(known.Take(2)), "the likeliest first");
            tried.UnionWith(chosen);
        }

        Assert.That(tried, Has.Count.EqualTo(known.Length));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(3)]
    public void Choose_OfFew_TakesThemAll(int count) =>
        Assert.That(PeerNetwork.Choose(Enumerable.Range(0, count).Select(Peer)), Is.EquivalentTo(Enumerable.Range(0, count).Select(Peer)));

    private static PeerId Peer(int number)
    {
        PeerId.TryFromBytes(Multihash.Sha256(BitConverter.GetBytes(number)), out PeerId? peer);
        return peer!;
    }
}
