using Cocoon.Node.Peers;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Peers;

public sealed class PeerNamesTests
{
    [Test]
    public void Set_IsThereAfterARestart_AndNamesOnePeer()
    {
        using TemporaryDirectory folder = new();
        PeerId first = NewPeer(), second = NewPeer();
        using (DataDirectory directory = DataDirectory.Open(folder.Path))
        {
            PeerNames names = new(directory);
            Assert.That(names.Set(first, "basement-4090"), Is.True);
            Assert.That(names.Set(second, "Basement-4090"), Is.False, "one name, one peer");
            Assert.That(names.Set(second, "rack_7"), Is.True);
            Assert.That(names.Set(second, null), Is.True);
        }

        using DataDirectory again = DataDirectory.Open(folder.Path);
        PeerNames read = new(again);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(read.Find(first), Is.EqualTo("basement-4090"));
            Assert.That(read.Find("BASEMENT-4090"), Is.EqualTo(first));
            Assert.That(read.Find(second), Is.Null);
        }
    }

    [TestCase("")]
    [TestCase("-x")]
    [TestCase("two words")]
    [TestCase("esc\u001b[2J")]
    [TestCase("12D3KooWCqYHLR5nDZ")]
    [TestCase("a-name-that-is-longer-than-thirty-2")]
    public void IsName_RefusesWhatCouldBeTakenForSomethingElse(string name) => Assert.That(PeerNames.IsName(name), Is.False);

    [Test]
    public void Open_BrokenFile_IsReportedAndKept()
    {
        using TemporaryDirectory folder = new();
        using DataDirectory directory = DataDirectory.Open(folder.Path);
        PrivateFile.Write(directory.File("names.json"), "not json"u8);
        Assert.That(() => new PeerNames(directory), Throws.TypeOf<StorageException>());
        Assert.That(File.ReadAllText(directory.File("names.json")), Is.EqualTo("not json"));
    }

    private static PeerId NewPeer()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }
}
