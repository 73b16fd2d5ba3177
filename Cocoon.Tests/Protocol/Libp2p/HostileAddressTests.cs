using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using Google.Protobuf;
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
