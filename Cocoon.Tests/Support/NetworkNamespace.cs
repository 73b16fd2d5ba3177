using System.ComponentModel;
using System.Diagnostics;
using NUnit.Framework;

namespace Cocoon.Tests.Support;

/// <summary>A network namespace of this machine with loopback and one veth interface <c>v0</c>; gone on disposal. Needs root and iproute2.</summary>
internal sealed class NetworkNamespace : IAsyncDisposable
{
    private readonly string _name = $"cocoon-{Guid.NewGuid():n}"[..14];

    /// <summary>What goes before a command line so that it runs inside.</summary>
    public IReadOnlyList<string> Prefix => ["ip", "netns", "exec", _name];

    /// <summary>The calling test is ignored by name where namespaces cannot be made.</summary>
    /// <param name="router">An address inside that the default route leads to; <c>null</c>: a network without router.</param>
    public static async Task<NetworkNamespace> CreateAsync(string address, CancellationToken cancellationToken, string? router = null)
    {
        NetworkNamespace created = new();
        if (await RunAsync(cancellationToken, "netns", "add", created._name) is { } refusal)
        {
            Assert.Ignore($"network namespaces cannot be made here (root and iproute2 are needed): {refusal}");
        }

        string[][] steps =
        [
            ["-n", created._name, "link", "set", "lo", "up"],
            ["-n", created._name, "link", "add", "v0", "type", "veth", "peer", "name", "v1"],
            ["-n", created._name, "addr", "add", $"{address}/24", "dev", "v0"],
            ["-n", created._name, "link", "set", "v0", "up"],
            ["-n", created._name, "link", "set", "v1", "up"],
            // js-libp2p leaves the choice of the multicast interface to the routes.
            .. router is null ? (string[][])[["-n", created._name, "route", "add", "default", "dev", "v0"]] :
            [
                ["-n", created._name, "addr", "add", $"{router}/24", "dev", "v1"],
                ["-n", created._name, "route", "add", "default", "via", router, "dev", "v0"],
            ],
        ];
        foreach (string[] step in steps)
        {
            if (await RunAsync(cancellationToken, step) is { } failure)
            {
                await created.DisposeAsync();
                Assert.Ignore($"veth interfaces cannot be made here: {failure}");
            }
        }

        return created;
    }

    public async ValueTask DisposeAsync() => await RunAsync(CancellationToken.None, "netns", "del", _name);

    /// <summary><c>null</c>, or why it failed.</summary>
    private static async Task<string?> RunAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            string error = await process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0 ? null : error.Trim().Length > 0 ? error.Trim() : $"exit code {process.ExitCode}";
        }
        catch (Win32Exception exception)
        {
            return exception.Message;
        }
    }
}
