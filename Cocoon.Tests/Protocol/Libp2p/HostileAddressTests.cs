using System.Net;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>Addresses that strangers tell of themselves and of others: whatever they are, a dial fails as dials do.</summary>
[CancelAfter(60_000)]
public sealed class HostileAddressTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static PeerId NewPeer()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }

    [Test]
    public async Task Dial_OfAnAddressAsLongAsItMayBe_FailsAndIsRemembered(CancellationToken cancellationToken)
    {
        await using Libp2pHost host = await TestHosts.StartAsync();
        PeerId peer = NewPeer();
        host.RenewAddresses(peer, [LongAddresses.Relayed]);
        host.AddAddresses(peer, [LongAddresses.Relayed], TimeSpan.FromHours(1));
        await Assert.ThatAsync(() => host.ConnectAsync(peer, cancellationToken).AsTask(), Throws.InstanceOf<Libp2pException>());
        host.RenewAddresses(peer, [LongAddresses.Relayed]);
        await Assert.ThatAsync(
            () => host.ConnectAsync(peer, cancellationToken).AsTask(), Throws.InstanceOf<Libp2pException>().With.Message.Contains("All 1 known addresses"));
    }

    /// <summary>Somebody's name server answers when it likes. A stranger may say that an honest peer lives under such a name.</summary>
    [Test]
    public async Task Dial_OfAPeerThatIsSaidToLiveUnderANameWithoutAnAnswer_WaitsForNone(CancellationToken cancellationToken)
    {
        await using Libp2pHost honest = await TestHosts.StartAsync();
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        using NoiseIdentity identity = new(key, [YamuxSession.Protocol]);
        Libp2pLimits limits = new();
        ConnectionContext context = new(limits, TimeProvider.System, NullLogger.Instance);
        TaskCompletionSource<IReadOnlyList<IPEndPoint>> never = new();
        int asked = 0;
        NameResolver resolver = new(limits.ParallelResolutions, _ =>
        {
            Interlocked.Increment(ref asked);
            return never.Task;
        });
        using Dialer dialer = new(new TcpTransport(), new Upgrader(identity), context, allowPrivate: true) { StrangersNames = resolver };
        for (int i = 0; i < 8; i++)
        {
            Multiaddr slow = Multiaddr.Parse($"/dns4/slow{i}.example/tcp/1");
            await using NoiseChannel channel = await dialer.DialAsync(honest.LocalPeer, [slow, honest.Addresses[0]], isExplicit: false, cancellationToken);
            Assert.That(channel.RemotePeer, Is.EqualTo(honest.LocalPeer));
        }

        Assert.That(asked, Is.EqualTo(limits.ParallelResolutions), "each of them holds a thread");
        never.SetResult([]);
    }

    /// <summary>What it names is announced to everybody we are connected to, who read no more than a few KiB.</summary>
    [Test]
    public async Task Relay_ThatNamesLongAddresses_IsReservedAtUnderItsShortOnes(CancellationToken cancellationToken)
    {
        await using Libp2pHost relay = await TestHosts.StartAsync(), client = await TestHosts.StartAsync(), other = await TestHosts.StartAsync();
        relay.Handle(CircuitProtocol.HopId, async (stream, token) =>
        {
            await LengthPrefixed.ReadAsync(stream, HopMessage.Parser, CircuitProtocol.MaxMessageLength, token);
            CircuitReservation reservation = new() { Expire = (ulong)DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds() };
            for (int i = 0; i < 7; i++)
            {
                reservation.Addrs.Add(ByteString.CopyFrom(LongAddresses.Of(relay.LocalPeer).ToArray()));
            }

            await LengthPrefixed.WriteAsync(stream, new HopMessage { Type = HopMessage.Types.Type.Status, Status = CircuitStatus.Ok, Reservation = reservation }, token);
            await stream.CloseWriteAsync(token);
        });
        HeldReservation held = await client.ReserveAsync(relay.FullAddress(), cancellationToken);
        Assert.That(held.Addresses, Is.EqualTo(new[] { Multiaddr.Parse($"{relay.FullAddress()}/p2p-circuit") }));
        await other.ConnectAsync(client.FullAddress(), cancellationToken);
        await Eventually.TrueAsync("the client's identity is read", () => other.Connections.Any(c => c.Peer == client.LocalPeer && c.AgentVersion.Length > 0), Patience, cancellationToken);
    }
}
