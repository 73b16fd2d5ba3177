using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Tests.EndToEnd;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>Test peers in their own processes behind NATs of network namespaces: relay, then a direct connection where the NATs allow one.</summary>
[Category("Interop")]
public sealed class NatTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Test, CancelAfter(180_000)]
    public async Task TwoHomes_FindAPrivateVerdict_MeetThroughARelay_AndBecomeDirect(CancellationToken cancellationToken)
    {
        await using NatLab lab = await NatLab.StartAsync("masquerade", cancellationToken);
        await using ToolPeer relay = await StartAsync(lab.Server, cancellationToken, "--relay");
        // Nobody tells b that it needs a relay: the relay's AutoNAT does.
        await using ToolPeer b = await StartAsync(lab.B, cancellationToken, "--auto-relay");
        await using ToolPeer a = await StartAsync(lab.A, cancellationToken);
        await b.CallAsync("dial", new() { ["addr"] = relay.Address.ToString() }, cancellationToken);
        string address = await Eventually.GetAsync(
            "an address through the relay",
            async () => (await b.CallAsync("addrs", [], cancellationToken)).GetProperty("addrs").EnumerateArray()
                .Select(item => item.GetString()!).FirstOrDefault(text => text.Contains("/p2p-circuit", StringComparison.Ordinal)),
            Patience,
            cancellationToken);
        JsonElement reachability = await b.CallAsync("reachability", [], cancellationToken);
        await a.CallAsync("dial", new() { ["addr"] = address }, cancellationToken);
        Assert.That(await EchoAsync(a, b, cancellationToken), Is.True, "over the relay or already directly");
        JsonElement direct = await a.CallAsync("wait_direct", new() { ["peer"] = b.PeerId.ToString() }, cancellationToken);
        await b.CallAsync("wait_direct", new() { ["peer"] = a.PeerId.ToString() }, cancellationToken);
        Assert.That(await EchoAsync(a, b, cancellationToken), Is.True);
        Assert.That(await EchoAsync(b, a, cancellationToken), Is.True);
        await Eventually.GetAsync(
            "the relayed connection closes",
            async () => (await relay.CallAsync("relay", [], cancellationToken)).GetProperty("circuits").GetInt32() == 0 ? "closed" : null,
            Patience,
            cancellationToken);
        JsonElement service = await relay.CallAsync("relay", [], cancellationToken);
        TestContext.Out.WriteLine($"a sees b at {direct.GetProperty("addr")}, b was {reachability}, relay {service}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(reachability.GetProperty("verdict").GetString(), Is.EqualTo("private"));
            Assert.That(address, Does.StartWith($"/ip4/{NatLab.ServerAddress}/"));
            Assert.That(direct.GetProperty("addr").GetString(), Does.StartWith($"/ip4/{NatLab.GatewayB}/"));
            Assert.That(service.GetProperty("opened").GetInt32(), Is.EqualTo(1));
            Assert.That(service.GetProperty("bytes").GetInt64(), Is.GreaterThan(0));
        }
    }

    [Test, CancelAfter(180_000)]
    public async Task TwoHomes_BehindNatsWithRandomPorts_StayOnTheRelay(CancellationToken cancellationToken)
    {
        await using NatLab lab = await NatLab.StartAsync("masquerade fully-random", cancellationToken);
        await using ToolPeer relay = await StartAsync(lab.Server, cancellationToken, "--relay");
        await using ToolPeer b = await StartAsync(lab.B, cancellationToken, "--reserve", relay.Address.ToString());
        await using ToolPeer a = await StartAsync(lab.A, cancellationToken);
        await a.CallAsync("dial", new() { ["addr"] = $"{relay.Address}/p2p-circuit/p2p/{b.PeerId}" }, cancellationToken);
        Assert.That(await EchoAsync(a, b, cancellationToken), Is.True);
        await Eventually.GetAsync(
            "b gives the hole up",
            async () => (await b.CallAsync("reachability", [], cancellationToken)).GetProperty("holes_given_up").GetInt32() > 0 ? "given up" : null,
            Patience,
            cancellationToken);
        Assert.That(await EchoAsync(a, b, cancellationToken), Is.True);
        Assert.That(await EchoAsync(b, a, cancellationToken), Is.True);
        JsonElement peers = await a.CallAsync("peers", [], cancellationToken);
        JsonElement[] paths = [.. peers.GetProperty("peers").EnumerateArray().Where(peer => peer.GetProperty("peer_id").GetString() == b.PeerId.ToString())];
        Assert.That(paths, Has.Length.EqualTo(1));
        Assert.That(paths[0].GetProperty("relayed").GetBoolean(), Is.True);
    }

    private static async Task<ToolPeer> StartAsync(string network, CancellationToken cancellationToken, params string[] arguments) =>
        await ToolPeer.StartAsync(NatLab.Inside(network), cancellationToken, ["--listen", "/ip4/0.0.0.0/tcp/4001", "--public-only", .. arguments]);

    private static async Task<bool> EchoAsync(ToolPeer from, ToolPeer to, CancellationToken cancellationToken)
    {
        JsonObject command = new() { ["peer"] = to.PeerId.ToString(), ["size"] = 8192 };
        return (await from.CallAsync("echo", command, cancellationToken)).GetProperty("equal").GetBoolean();
    }
}
