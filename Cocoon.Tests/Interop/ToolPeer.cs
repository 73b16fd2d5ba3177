using System.Diagnostics;

namespace Cocoon.Tests.Interop;

/// <summary>Our test peer (<see cref="Libp2pPeerTool"/>) in its own process.</summary>
internal sealed class ToolPeer : PeerProcess
{
    private ToolPeer(Process process, string first)
        : base(process, first)
    {
    }

    /// <param name="prefix">A program and its arguments that runs the peer, such as one that enters a network namespace; may be empty.</param>
    public static async Task<ToolPeer> StartAsync(string[] prefix, CancellationToken cancellationToken, params string[] arguments)
    {
        string dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        string[] command = [.. prefix, dotnet, "exec", typeof(ToolPeer).Assembly.Location, Libp2pPeerTool.Verb, .. arguments];
        (Process process, string first) = await StartAsync(new ProcessStartInfo(command[0], command[1..]), cancellationToken);
        return new ToolPeer(process, first);
    }
}
