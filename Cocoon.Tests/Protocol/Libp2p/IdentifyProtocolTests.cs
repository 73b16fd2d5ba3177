using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Identify;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;
using IdentifyMessage = Cocoon.Protocol.Libp2p.Protocols.Identify.Proto.Identify;

namespace Cocoon.Tests.Protocol.Libp2p;

public sealed class IdentifyProtocolTests
{
    private static readonly PeerId Self = PeerId.Parse("12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB");

    [Test, CancelAfter(10_000)]
    public async Task Write_LargeMessage_IsSplitAndMergedAgain(CancellationToken cancellationToken)
    {
        IdentifyMessage message = new() { AgentVersion = "a", SignedPeerRecord = ByteString.CopyFrom(new byte[300]) };
        message.Protocols.AddRange(Enumerable.Range(0, 150).Select(i => $"/protocol/{i}/1.0.0"));
        (MemoryPeerStream there, MemoryPeerStream here) = MemoryPeerStream.CreatePair(Self, Self, IdentifyProtocol.Id);
        await IdentifyProtocol.WriteAsync(there, message.Clone(), cancellationToken);
        Assert.That(await IdentifyProtocol.ReadAsync(here, cancellationToken), Is.EqualTo(message));
    }

    [Test, CancelAfter(10_000)]
    public void Read_TooManyOrTooLongOrNoMessages_IsAProtocolError(CancellationToken cancellationToken)
    {
        byte[] one = [2, 0x2a, 0];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(async () => await ReadAsync([.. Enumerable.Repeat(one, 11).SelectMany(m => m)]), Throws.InstanceOf<Libp2pException>());
            Assert.That(async () => await ReadAsync([0x81, 0x40]), Throws.InstanceOf<Libp2pException>());
            Assert.That(async () => await ReadAsync([]), Throws.InstanceOf<Libp2pException>());
            Assert.That(async () => await ReadAsync([2, 0xff, 0xff]), Throws.InstanceOf<Libp2pException>());
        }

        async Task<IdentifyMessage> ReadAsync(byte[] bytes)
        {
            (MemoryPeerStream there, MemoryPeerStream here) = MemoryPeerStream.CreatePair(Self, Self, IdentifyProtocol.Id);
            await there.WriteAsync(bytes, cancellationToken);
            await there.CloseWriteAsync(cancellationToken);
            return await IdentifyProtocol.ReadAsync(here, cancellationToken);
        }
    }

    [Test]
    public void Apply_AnotherPeersKey_IsRefused()
    {
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        IdentifyMessage message = new() { PublicKey = ByteString.CopyFrom(PublicKeyProtobuf.Encode(other.PublicKey)) };
        Assert.That(() => IdentifyProtocol.Apply(message, null, Self, 10), Throws.InstanceOf<Libp2pException>());
    }

    [Test]
    public void Apply_PushWithoutKeyAndTexts_KeepsWhatIsKnown()
    {
        IdentifyMessage push = new();
        push.Protocols.Add("/new");
        RemoteIdentity identity = IdentifyProtocol.Apply(push, new RemoteIdentity("agent", "version", ["/old"]), Self, 10);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(identity.AgentVersion, Is.EqualTo("agent"));
            Assert.That(identity.Protocols, Is.EqualTo(new[] { "/new" }));
            Assert.That(IdentifyProtocol.Apply(new IdentifyMessage(), identity, Self, 10).Protocols, Is.EqualTo(new[] { "/new" }));
        }
    }

    [Test]
    public void Apply_HostileTexts_AreCleanedAndBounded()
    {
        IdentifyMessage message = new() { AgentVersion = "\u001b[31mx" + new string('y', 1000) };
        message.Protocols.AddRange(Enumerable.Range(0, 100).Select(i => $"/p{i}").Append(new string('z', 5000)).Prepend("/p0"));
        RemoteIdentity identity = IdentifyProtocol.Apply(message, null, Self, 10);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(identity.AgentVersion, Does.StartWith("?[31mxy").And.Length.EqualTo(128));
            Assert.That(identity.Protocols, Has.Count.EqualTo(10));
        }
    }
}
