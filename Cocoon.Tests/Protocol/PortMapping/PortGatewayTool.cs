using System.Net;

namespace Cocoon.Tests.Protocol.PortMapping;

/// <summary>A router for nodes in a network namespace: PCP and NAT-PMP on their real port; a line for each change of its mappings.</summary>
internal static class PortGatewayTool
{
    public const string Verb = "port-gateway";

    public static async Task<int> RunAsync(IPAddress address, TextReader input, TextWriter output)
    {
        await using StubGateway gateway = new(new IPEndPoint(address, 5351));
        gateway.Changed += () => output.WriteLine(string.Join(' ', gateway.Mappings.Select(m => $"{m.Key}:{m.Value}")));
        await output.WriteLineAsync("ready");
        while (await input.ReadLineAsync() is not null)
        {
        }

        return 0;
    }
}
