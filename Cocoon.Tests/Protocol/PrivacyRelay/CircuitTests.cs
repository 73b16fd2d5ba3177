using System.Security.Cryptography;
using System.Text;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.PrivacyRelay.Proto;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.PrivacyRelay;

/// <summary>Circuits through one and two relays: what gets through, who learns what, and what relays cannot do.</summary>
public sealed class CircuitTests
{
    private const int Guard = 30_000;

    [TestCase(1), TestCase(2), CancelAfter(Guard)]
    public async Task Circuit_ThroughRelays_CarriesBytesAndBothEnds(int relays, CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new();
        byte[] sent = RandomNumberGenerator.GetBytes(300_000);
        await using IPeerStream stream = await network.OpenAsync(cancellationToken, [.. new[] { network.First, network.Second }.Take(relays)]);
        Task writing = WriteAsync(stream, sent, cancellationToken);
        byte[] back = await ReadToEndAsync(stream, cancellationToken);
        await writing;
        Assert.That(back, Is.EqualTo(sent));
        Assert.That(stream.RemotePeer, Is.EqualTo(network.Target.LocalPeer));
    }

    [Test, CancelAfter(Guard)]
    public async Task Target_SeesNeitherClientNorItsAddress(CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new();
        await RoundTripAsync(network, cancellationToken, network.First, network.Second);
        await RoundTripAsync(network, cancellationToken, network.First, network.Second);
        PeerId[] seen = [.. network.Seen];
        PeerId[] known = [network.Client.LocalPeer, network.First.LocalPeer, network.Second.LocalPeer];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(seen, Is.Unique, "an id for each circuit");
            Assert.That(seen.Intersect(known), Is.Empty);
            Assert.That(network.Target.Connections.Select(c => c.Peer), Is.EquivalentTo(new[] { network.Second.LocalPeer }));
            Assert.That(network.Second.Connections.Select(c => c.Peer), Does.Not.Contain(network.Client.LocalPeer));
            Assert.That(network.First.Connections.Select(c => c.Peer), Does.Not.Contain(network.Target.LocalPeer));
        }
    }

    [Test, CancelAfter(Guard)]
    public async Task Relay_OnItsOwnStreams_SeesNoPlaintextAndNoLaterHop(CancellationToken cancellationToken)
    {
        // The first relay is played by hand: it does the handshake that it must, and keeps every byte that it is then given to pass on.
        await using CircuitNetwork network = new();
        MemoryStream carried = new();
        Forward? asked = null;
        using NoiseIdentity identity = new(network.First.Key, []);
        network.First.Handle(RelayProtocol.Id, async (stream, ct) =>
        {
            (NoiseChannel channel, StreamConnection connection, Open open) = await CircuitHandshake.AcceptAsync(stream, identity, ct);
            asked = open.Forward;
            await using CircuitStream circuit = new(channel, connection, RelayProtocol.Id);
            network.First.AddAddresses(network.Second.LocalPeer, [network.Second.Address], TimeSpan.FromHours(1));
            await using IPeerStream next = await network.First.OpenStreamAsync(network.Second.LocalPeer, [RelayProtocol.Id], ct);
            await LengthPrefixed.WriteAsync(circuit, new Opened { Status = OpenStatus.OpenOk }, ct);
            Task there = CopyAsync(circuit, next, carried, ct), back = CopyAsync(next, circuit, carried, ct);
            await Task.WhenAll(there, back);
        });
        await using IPeerStream stream = await network.OpenAsync(cancellationToken, network.First, network.Second);
        byte[] secret = Encoding.UTF8.GetBytes("a prompt that no relay may read");
        await WriteAsync(stream, secret, cancellationToken);
        Assert.That(await ReadToEndAsync(stream, cancellationToken), Is.EqualTo(secret));
        byte[] all = carried.ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(asked!.PeerId.ToByteArray(), Is.EqualTo(network.Second.LocalPeer.ToArray()));
            Assert.That(all, Has.Length.GreaterThan(500));
            Assert.That(all.AsSpan().IndexOf(secret), Is.Negative);
            Assert.That(all.AsSpan().IndexOf(network.Target.LocalPeer.Bytes), Is.Negative, "whom it is for");
            Assert.That(all.AsSpan().IndexOf(Encoding.ASCII.GetBytes(CircuitNetwork.Echo)), Is.Negative, "what it is for");
        }
    }

    [Test, CancelAfter(Guard)]
    public async Task Relay_ThatAnswersForTheTarget_IsFoundOut(CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new();
        using NoiseIdentity identity = new(network.First.Key, []);
        network.First.Handle(RelayProtocol.Id, async (stream, ct) =>
        {
            (NoiseChannel channel, StreamConnection connection, _) = await CircuitHandshake.AcceptAsync(stream, identity, ct);
            await using CircuitStream circuit = new(channel, connection, RelayProtocol.Id);
            await LengthPrefixed.WriteAsync(circuit, new Opened { Status = OpenStatus.OpenOk }, ct);
            await CircuitHandshake.AcceptAsync(circuit, identity, ct);
        });
        CircuitException refused = (await Assert.ThrowsAsync<CircuitException>(() => network.OpenAsync(cancellationToken, network.First)))!;
        Assert.That(refused.Hop, Is.EqualTo(network.Target.LocalPeer));
        Assert.That(refused.InnerException, Is.TypeOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(Libp2pErrorCode.PeerMismatch));
    }

    // In what the target sends: its handshake, its answer to Open, its first data.
    [TestCase(200), TestCase(240), TestCase(265), CancelAfter(Guard)]
    public async Task Relay_ThatChangesABit_BreaksTheCircuit(int at, CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new();
        using NoiseIdentity identity = new(network.First.Key, []);
        network.First.Handle(RelayProtocol.Id, async (stream, ct) =>
        {
            (NoiseChannel channel, StreamConnection connection, _) = await CircuitHandshake.AcceptAsync(stream, identity, ct);
            await using CircuitStream circuit = new(channel, connection, RelayProtocol.Id);
            network.First.AddAddresses(network.Target.LocalPeer, [network.Target.Address], TimeSpan.FromHours(1));
            await using IPeerStream next = await network.First.OpenStreamAsync(network.Target.LocalPeer, [RelayProtocol.Id], ct);
            await LengthPrefixed.WriteAsync(circuit, new Opened { Status = OpenStatus.OpenOk }, ct);
            Task there = CopyAsync(circuit, next, Stream.Null, ct), back = CopyAsync(next, circuit, Stream.Null, ct, flipAt: at);
            await Task.WhenAll(there, back);
        });
        Assert.That(
            async () => await RoundTripAsync(network, cancellationToken, network.First),
            Throws.InstanceOf<IOException>());
    }

    [Test, CancelAfter(Guard)]
    public async Task Peer_ThatDidNotOptIn_ForwardsNothing(CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new(secondForwards: false);
        CircuitException refused = (await Assert.ThrowsAsync<CircuitException>(() => network.OpenAsync(cancellationToken, network.First, network.Second)))!;
        Assert.That((refused.Hop, refused.Status), Is.EqualTo((network.Second.LocalPeer, OpenStatus.OpenRefused)));
    }

    [Test, CancelAfter(Guard)]
    public async Task Target_OutOfReach_IsSaidByTheLastRelay(CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new();
        network.Target.IsDialable = false;
        CircuitException refused = (await Assert.ThrowsAsync<CircuitException>(() => network.OpenAsync(cancellationToken, network.First, network.Second)))!;
        Assert.That((refused.Hop, refused.Status), Is.EqualTo((network.Second.LocalPeer, OpenStatus.OpenUnreachable)));
    }

    [Test, CancelAfter(Guard)]
    public async Task Protocol_ThatIsNotServedOverCircuits_IsRefused(CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new();
        CircuitException refused = (await Assert.ThrowsAsync<CircuitException>(() => Circuit.OpenAsync(
            network.Client, [CircuitNetwork.Hop(network.First)], CircuitNetwork.Hop(network.Target), "/ipfs/id/1.0.0", cancellationToken)))!;
        Assert.That(refused.Status, Is.EqualTo(OpenStatus.OpenProtocol));
    }

    [Test, CancelAfter(Guard)]
    public async Task Open_ToTheRelayItself_OrMalformed_IsRefused(CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new();
        Open[] bad =
        [
            new() { Forward = new Forward { PeerId = ByteString.CopyFrom(network.First.LocalPeer.Bytes) } },
            new() { Forward = new Forward { PeerId = ByteString.CopyFrom(1, 2, 3) } },
            new() { Forward = new Forward { PeerId = ByteString.CopyFrom(network.Second.LocalPeer.Bytes), Addresses = { Enumerable.Repeat(ByteString.Empty, 9) } } },
            new(),
        ];
        foreach (Open open in bad)
        {
            IPeerStream stream = await network.Client.OpenStreamAsync(network.First.LocalPeer, [RelayProtocol.Id], cancellationToken);
            CircuitException refused = (await Assert.ThrowsAsync<CircuitException>(
                () => CircuitHandshake.OpenAsync(stream, network.First.LocalPeer, open, RelayProtocol.Id, cancellationToken)))!;
            Assert.That(refused.Status, Is.EqualTo(OpenStatus.OpenMalformed));
        }
    }

    private static async Task RoundTripAsync(CircuitNetwork network, CancellationToken cancellationToken, params MemoryHost[] relays)
    {
        await using IPeerStream stream = await network.OpenAsync(cancellationToken, relays);
        await WriteAsync(stream, "hello"u8.ToArray(), cancellationToken);
        Assert.That(await ReadToEndAsync(stream, cancellationToken), Is.EqualTo("hello"u8.ToArray()));
    }

    private static async Task WriteAsync(IPeerStream stream, byte[] bytes, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(bytes, cancellationToken);
        await stream.CloseWriteAsync(cancellationToken);
    }

    private static async Task<byte[]> ReadToEndAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[8192];
        while (await stream.ReadAsync(buffer, cancellationToken) is var read and > 0)
        {
            all.Write(buffer, 0, read);
        }

        return all.ToArray();
    }

    private static async Task CopyAsync(IPeerStream from, IPeerStream to, Stream copy, CancellationToken cancellationToken, int flipAt = -1)
    {
        byte[] buffer = new byte[4096];
        int at = 0;
        while (await from.ReadAsync(buffer, cancellationToken) is var read and > 0)
        {
            if (flipAt >= at && flipAt < at + read)
            {
                buffer[flipAt - at] ^= 1;
            }

            at += read;
            lock (copy)
            {
                copy.Write(buffer, 0, read);
            }

            await to.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }

        await to.CloseWriteAsync(cancellationToken);
    }
}
