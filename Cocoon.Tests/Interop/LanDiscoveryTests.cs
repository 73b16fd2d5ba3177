using System.Text.Json.Nodes;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>A local network of its own (a network namespace with one address): nodes that nobody told of each other, and a js-libp2p peer.</summary>
[CancelAfter(120_000)]
public sealed class LanDiscoveryTests
{
    private const string Address = "10.77.0.1";

    [Test]
    public async Task Nodes_AndAJsPeer_FindEachOtherByMulticastDns(CancellationToken cancellationToken)
    {
        if (!File.Exists(CocoonProgram.Assembly))
        {
            Assert.Ignore($"{CocoonProgram.Assembly} is missing: build Cocoon.Node");
        }

        await using NetworkNamespace lan = await NetworkNamespace.CreateAsync(Address, cancellationToken);
        using TemporaryDirectory directory = new();
        await using JsPeer js = await JsPeer.StartAsync(lan.Prefix, cancellationToken, "--mdns", "--listen", $"/ip4/{Address}/tcp/0");
        await using CocoonNode one = await StartAsync("one", []), two = await StartAsync("two", []), deaf = await StartAsync("deaf", ["--no-mdns"]);
        await Eventually.GetAsync("the nodes find each other", () => PeersAsync(one, two.PeerId), TimeSpan.FromMinutes(1), cancellationToken);
        await js.EventAsync("discovered", e => e.GetProperty("peer_id").GetString() == one.PeerId, cancellationToken);
        await js.EventAsync("connected", e => e.GetProperty("peer_id").GetString() == one.PeerId, cancellationToken);
        await js.EventAsync("disconnected", e => e.GetProperty("peer_id").GetString() == one.PeerId, cancellationToken);
        JsonObject doctor = await one.GetAsync("/control/net/doctor", cancellationToken);
        JsonObject none = await deaf.GetAsync("/control/peers", cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(none["peers"]!.AsArray(), Is.Empty, "--no-mdns neither looks nor answers");
            Assert.That(doctor["checks"]!.AsArray().Single(c => (string)c!["name"]! == "net.mdns")!["what"]!.ToString(), Does.Contain("v0"));
        }

        Task<CocoonNode> StartAsync(string name, string[] more) => CocoonNode.StartAsync(
            name, ["up", "--no-model", "--listen", "/ip4/0.0.0.0/tcp/0", .. more], directory.File(name), cancellationToken, [.. lan.Prefix, .. CocoonProgram.Command]);

        async Task<object?> PeersAsync(CocoonNode node, string wanted) =>
            (await node.GetAsync("/control/peers", cancellationToken))["peers"]!.AsArray().Any(p => (string)p!["peer"]! == wanted) ? wanted : null;
    }
}
