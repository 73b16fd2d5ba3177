using System.Text.Json.Nodes;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Protocol.PortMapping;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Peers;

/// <summary>A node behind a router, in a network namespace of its own: the port is mapped, shown, and given back.</summary>
[CancelAfter(120_000)]
public sealed class GatewayMappingTests
{
    private const string Router = "10.77.0.2";

    [Test]
    public async Task Node_BehindARouter_MapsItsPort_AndGivesItBackWhenItStops(CancellationToken cancellationToken)
    {
        if (!File.Exists(CocoonProgram.Assembly))
        {
            Assert.Ignore($"{CocoonProgram.Assembly} is missing: build Cocoon.Node");
        }

        await using NetworkNamespace home = await NetworkNamespace.CreateAsync("10.77.0.1", cancellationToken, Router);
        using ToolProcess router = ToolProcess.StartWith([.. home.Prefix], PortGatewayTool.Verb, Router);
        Assert.That(await router.ReadLineAsync(cancellationToken), Is.EqualTo("ready"));
        using TemporaryDirectory directory = new();
        await using CocoonNode node = await CocoonNode.StartAsync(
            "node", ["up", "--no-model", "--no-mdns", "--listen", "/ip4/0.0.0.0/tcp/4484"], directory.File("node"), cancellationToken, [.. home.Prefix, .. CocoonProgram.Command]);
        Assert.That(await router.ReadLineAsync(cancellationToken), Is.EqualTo("4484:4484"));
        JsonObject check = await Eventually.GetAsync(
            "the doctor shows it",
            async () => (await node.GetAsync("/control/net/doctor", cancellationToken))["checks"]!.AsArray().OfType<JsonObject>().FirstOrDefault(c => (string)c["name"]! == "net.mapping" && (string)c["verdict"]! == "ok"),
            TimeSpan.FromMinutes(1),
            cancellationToken);
        JsonObject status = await node.GetAsync("/control/status", cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string)check["what"]!, Does.Contain($"{StubGateway.Outer}:4484").And.Contain("Pcp"));
            Assert.That(status["addresses"]!.AsArray().Select(a => (string)a!), Has.None.Contain(StubGateway.Outer.ToString()), "what a router claims is not announced before somebody came in there");
        }

        Assert.That(await node.StopAsync(), Is.Zero);
        Assert.That(await router.ReadLineAsync(cancellationToken), Is.Empty, "the port is given back");
    }
}
