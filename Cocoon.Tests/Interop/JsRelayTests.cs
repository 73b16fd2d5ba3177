using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>Circuit relay v2 and DCUtR with js-libp2p in each of the roles.</summary>
[Category("Interop")]
public sealed class JsRelayTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly DcutrOptions PunchOnly = new() { DialFirst = false };

    [Test, CancelAfter(120_000)]
    public async Task JsRelay_WeReserveAndWeDial(CancellationToken cancellationToken)
    {
        await using JsPeer relay = await JsPeer.StartAsync(cancellationToken, "--relay");
        await using Libp2pHost listener = await RelayHosts.StartAsync(), dialler = await RelayHosts.StartAsync();
        HeldReservation held = await listener.ReserveAsync(relay.Address, cancellationToken);
        await dialler.ConnectAsync(Multiaddr.Parse($"{relay.Address}/p2p-circuit/p2p/{listener.LocalPeer}"), cancellationToken);
        await using IPeerStream stream = await dialler.OpenStreamAsync(listener.LocalPeer, [TestHosts.EchoProtocol], cancellationToken);
        byte[] data = new byte[20_000];
        Assert.That(await TestHosts.ExchangeAsync(stream, data, cancellationToken), Is.EqualTo(data));
        Assert.That(held.HasVoucher, Is.True);
        Assert.That(dialler.Connections.Single(c => c.Peer == listener.LocalPeer).IsRelayed, Is.True);
    }

    [Test, CancelAfter(120_000)]
    public async Task JsRelay_JsDialsUs_IdentifiesPingsAndEchoes(CancellationToken cancellationToken)
    {
        await using JsPeer relay = await JsPeer.StartAsync(cancellationToken, "--relay"), js = await JsPeer.StartAsync(cancellationToken);
        await using Libp2pHost host = await RelayHosts.StartAsync();
        // Its direct address untold: js would rightly go there.
        host.SetExternalAddresses("listen", []);
        await host.ReserveAsync(relay.Address, cancellationToken);
        await JsTalksAsync(js, relay.Address, host, cancellationToken);
    }

    [Test, CancelAfter(120_000)]
    public async Task OurRelay_JsReservesAndWeDial(CancellationToken cancellationToken)
    {
        await using Libp2pHost relay = await RelayHosts.StartRelayAsync(), dialler = await RelayHosts.StartAsync();
        await using JsPeer js = await ConnectThroughAsync(relay, dialler, cancellationToken);
        Assert.That(dialler.Connections.Single(c => c.Peer == js.PeerId).IsRelayed, Is.True);
        await dialler.PingAsync(js.PeerId, cancellationToken);
        await using IPeerStream stream = await dialler.OpenStreamAsync(js.PeerId, [TestHosts.EchoProtocol], cancellationToken);
        byte[] data = new byte[20_000];
        Assert.That(await TestHosts.ExchangeAsync(stream, data, cancellationToken), Is.EqualTo(data));
    }

    [Test, CancelAfter(120_000)]
    public async Task OurRelay_JsDialsUs_IdentifiesPingsAndEchoes(CancellationToken cancellationToken)
    {
        await using Libp2pHost relay = await RelayHosts.StartRelayAsync(), host = await RelayHosts.StartAsync();
        await using JsPeer js = await JsPeer.StartAsync(cancellationToken);
        host.SetExternalAddresses("listen", []);
        await host.ReserveAsync(relay.FullAddress(), cancellationToken);
        await JsTalksAsync(js, relay.FullAddress(), host, cancellationToken);
    }

    /// <remarks>
    /// The specification has B (js here) answer the handshake on its own connect too. js-libp2p 3.3 means to, but its dial queue drops
    /// <c>initiator: false</c>, so it begins, from a port of its own. Each connect then is a sound connection whose dialler is the
    /// initiator, and the first one to arrive is used: both directions are right, as long as both sides see the same one.
    /// </remarks>
    [Test, CancelAfter(120_000)]
    public async Task Dcutr_JsLeads_WeAreTheDialler(CancellationToken cancellationToken)
    {
        await using Libp2pHost relay = await RelayHosts.StartRelayAsync(), dialler = await RelayHosts.StartAsync(dcutr: PunchOnly);
        await using JsPeer js = await ConnectThroughAsync(relay, dialler, cancellationToken);
        await Eventually.TrueAsync("direct", () => dialler.Connections.Any(c => c.Peer == js.PeerId && !c.IsRelayed), Patience, cancellationToken);
        await dialler.PingAsync(js.PeerId, cancellationToken);
        string[] ours = [], theirs = [];
        await Eventually.GetAsync<object>(
            "each sees the other one at the other end",
            async () =>
            {
                ours = [.. dialler.Connections.Where(c => c.Peer == js.PeerId && !c.IsRelayed).Select(c => c.IsOutbound ? "inbound" : "outbound").Order()];
                JsonElement peers = await js.CallAsync("peers", [], cancellationToken);
                theirs = [.. peers.GetProperty("peers").EnumerateArray()
                    .Where(p => p.GetProperty("peer_id").GetString() == dialler.LocalPeer.ToString() && !p.GetProperty("limited").GetBoolean())
                    .Select(p => p.GetProperty("direction").GetString()!).Order()];
                return ours.Length > 0 && ours.SequenceEqual(theirs) ? ours : null;
            },
            Patience, cancellationToken);
    }

    /// <summary>Where only our own connect can arrive, we are the initiator, as the specification has it of who dialled through the relay.</summary>
    [Test, CancelAfter(120_000)]
    public async Task Dcutr_JsLeads_OnlyOurConnectArrives_WeAreTheInitiator(CancellationToken cancellationToken)
    {
        await using Libp2pHost relay = await RelayHosts.StartRelayAsync(), dialler = await RelayHosts.StartAsync(dcutr: PunchOnly, dialsOnly: true);
        await using JsPeer js = await ConnectThroughAsync(relay, dialler, cancellationToken);
        await Eventually.TrueAsync("direct", () => dialler.Connections.Any(c => c.Peer == js.PeerId && !c.IsRelayed), Patience, cancellationToken);
        Assert.That(dialler.Connections.Where(c => c.Peer == js.PeerId && !c.IsRelayed).Select(c => c.IsOutbound), Is.EqualTo(new[] { true }));
        await dialler.PingAsync(js.PeerId, cancellationToken);
    }

    [Test, CancelAfter(120_000)]
    public async Task Dcutr_WeLead_JsIsTheDialler(CancellationToken cancellationToken)
    {
        await using Libp2pHost relay = await RelayHosts.StartRelayAsync(), host = await RelayHosts.StartAsync(dcutr: PunchOnly);
        await using JsPeer js = await JsPeer.StartAsync(cancellationToken);
        await host.ReserveAsync(relay.FullAddress(), cancellationToken);
        await js.CallAsync("dial", new() { ["addr"] = host.Through(relay).ToString() }, cancellationToken);
        await Eventually.TrueAsync("direct", () => host.Connections.Any(c => c.Peer == js.PeerId && !c.IsRelayed), Patience, cancellationToken);
        Assert.That(host.Connections.First(c => c.Peer == js.PeerId && !c.IsRelayed).IsOutbound, Is.False);
        await js.CallAsync("ping", new() { ["peer"] = host.LocalPeer.ToString() }, cancellationToken);
    }

    /// <summary>A js peer that has reserved at the relay and that <paramref name="dialler"/> is connected to through it.</summary>
    private static async Task<JsPeer> ConnectThroughAsync(Libp2pHost relay, Libp2pHost dialler, CancellationToken cancellationToken)
    {
        JsPeer js = await JsPeer.StartAsync(cancellationToken, "--reserve", relay.FullAddress().ToString());
        await Eventually.TrueAsync("reservation", () => relay.RelayService!.Reservations.Any(r => r.Peer == js.PeerId), Patience, cancellationToken);
        await dialler.ConnectAsync(Multiaddr.Parse($"{relay.FullAddress()}/p2p-circuit/p2p/{js.PeerId}"), cancellationToken);
        return js;
    }

    private static async Task JsTalksAsync(JsPeer js, Multiaddr relay, Libp2pHost host, CancellationToken cancellationToken)
    {
        JsonObject Peer() => new() { ["peer"] = host.LocalPeer.ToString() };
        string address = $"{relay}/p2p-circuit/p2p/{host.LocalPeer}";
        await js.CallAsync("dial", new() { ["addr"] = address }, cancellationToken);
        JsonElement identified = await js.EventAsync("identified", line => line.GetProperty("peer_id").GetString() == host.LocalPeer.ToString(), cancellationToken);
        await js.CallAsync("ping", Peer(), cancellationToken);
        await js.CallAsync("ping", Peer(), cancellationToken);
        JsonElement echo = await js.CallAsync("echo", new() { ["peer"] = host.LocalPeer.ToString(), ["size"] = 20_000 }, cancellationToken);
        JsonElement peers = await js.CallAsync("peers", [], cancellationToken);
        JsonElement path = peers.GetProperty("peers").EnumerateArray().Single(p => p.GetProperty("peer_id").GetString() == host.LocalPeer.ToString());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(echo.GetProperty("equal").GetBoolean(), Is.True);
            Assert.That(path.GetProperty("addr").GetString(), Does.Contain("/p2p-circuit"));
            Assert.That(path.GetProperty("limited").GetBoolean(), Is.True);
            Assert.That(identified.GetProperty("addrs").EnumerateArray().Select(a => a.GetString()), Has.Some.Contains("/p2p-circuit"));
            Assert.That(host.Connections.Single(c => c.Peer == js.PeerId).IsRelayed, Is.True);
        }
    }
}
