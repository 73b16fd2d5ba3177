using System.ComponentModel;
using System.Diagnostics;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>A js-libp2p peer (scripts/interop/peer.mjs).</summary>
internal sealed class JsPeer : PeerProcess
{
    private JsPeer(Process process, string first)
        : base(process, first)
    {
    }

    /// <summary>Starts a peer; the calling test is ignored by name where Node.js or the packages are missing.</summary>
    /// <param name="arguments">As scripts/interop/README.md lists them.</param>
    public static Task<JsPeer> StartAsync(CancellationToken cancellationToken, params string[] arguments) => StartAsync([], cancellationToken, arguments);

    /// <param name="prefix">What goes before the command line, such as a network namespace's.</param>
    public static async Task<JsPeer> StartAsync(IReadOnlyList<string> prefix, CancellationToken cancellationToken, params string[] arguments)
    {
        string folder = Path.Combine(TestPaths.RepositoryRoot, "scripts", "interop");
        if (!Directory.Exists(Path.Combine(folder, "node_modules", "@libp2p", "circuit-relay-v2")))
        {
            Assert.Ignore("js-libp2p is not installed: scripts/setup.d/40-interop.sh");
        }

        string[] command = [.. prefix, "node", "peer.mjs", .. arguments];
        try
        {
            (Process process, string first) = await StartAsync(new ProcessStartInfo(command[0], command[1..]) { WorkingDirectory = folder }, cancellationToken);
            return new JsPeer(process, first);
        }
        catch (Win32Exception)
        {
            Assert.Ignore("Node.js is not installed");
            throw;
        }
    }
}
