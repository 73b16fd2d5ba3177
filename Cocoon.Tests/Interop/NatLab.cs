using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>
/// Two homes behind NATs and a public server between them, of network namespaces: <c>a – gwa – server – gwb – b</c>. The gateways
/// masquerade and silently drop what nobody inside asked for.
/// </summary>
internal sealed class NatLab : IAsyncDisposable
{
    public const string ServerAddress = "44.128.7.1";
    public const string GatewayA = "44.128.7.2";
    public const string GatewayB = "44.128.7.3";

    private static int s_count;

    private readonly string _prefix = string.Create(CultureInfo.InvariantCulture, $"cn{Environment.ProcessId % 100_000}-{Interlocked.Increment(ref s_count)}");
    private readonly List<string> _namespaces = [];

    private NatLab()
    {
    }

    public string Server => Name("s");

    public string A => Name("a");

    public string B => Name("b");

    /// <param name="masquerade">The gateways' rule: <c>masquerade</c> keeps ports where it can, <c>masquerade fully-random</c> takes another one for each connection.</param>
    public static async Task<NatLab> StartAsync(string masquerade, CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root")
        {
            Assert.Ignore("NAT tests need root on Linux: they build networks from namespaces");
        }

        NatLab lab = new();
        try
        {
            await lab.BuildAsync(masquerade, cancellationToken);
            return lab;
        }
        catch (Win32Exception)
        {
            Assert.Ignore("NAT tests need iproute2 and nftables: scripts/setup.d/70-nat.sh");
            throw;
        }
        catch (Exception)
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    /// <summary>The command line that runs a program inside of a namespace.</summary>
    public static string[] Inside(string name) => ["ip", "netns", "exec", name];

    public async ValueTask DisposeAsync()
    {
        foreach (string name in _namespaces)
        {
            await TryRunAsync(null, CancellationToken.None, "ip", "netns", "del", name);
        }
    }

    private string Name(string part) => $"{_prefix}{part}";

    private async Task BuildAsync(string masquerade, CancellationToken cancellationToken)
    {
        (int code, string error) = await TryRunAsync(null, cancellationToken, "ip", "netns", "add", Server);
        if (code != 0)
        {
            Assert.Ignore($"NAT tests need network namespaces: {error}");
        }

        _namespaces.Add(Server);
        await RunAsync(cancellationToken, "ip", "-n", Server, "link", "add", "wan", "type", "bridge");
        await RunAsync(cancellationToken, "ip", "-n", Server, "addr", "add", $"{ServerAddress}/24", "dev", "wan");
        await RunAsync(cancellationToken, "ip", "-n", Server, "link", "set", "wan", "up");
        await RunAsync(cancellationToken, "ip", "-n", Server, "link", "set", "lo", "up");
        await AddHomeAsync(A, Name("ga"), GatewayA, "192.168.11", masquerade, cancellationToken);
        await AddHomeAsync(B, Name("gb"), GatewayB, "192.168.12", masquerade, cancellationToken);
    }

    private async Task AddHomeAsync(string home, string gateway, string outside, string inside, string masquerade, CancellationToken cancellationToken)
    {
        foreach (string name in (string[])[home, gateway])
        {
            await RunAsync(cancellationToken, "ip", "netns", "add", name);
            _namespaces.Add(name);
            await RunAsync(cancellationToken, "ip", "-n", name, "link", "set", "lo", "up");
        }

        await RunAsync(cancellationToken, "ip", "link", "add", "wan", "netns", gateway, "type", "veth", "peer", "name", $"p{outside[^1]}", "netns", Server);
        await RunAsync(cancellationToken, "ip", "-n", Server, "link", "set", $"p{outside[^1]}", "master", "wan", "up");
        await RunAsync(cancellationToken, "ip", "link", "add", "lan", "netns", gateway, "type", "veth", "peer", "name", "eth0", "netns", home);
        await RunAsync(cancellationToken, "ip", "-n", gateway, "addr", "add", $"{outside}/24", "dev", "wan");
        await RunAsync(cancellationToken, "ip", "-n", gateway, "addr", "add", $"{inside}.1/24", "dev", "lan");
        await RunAsync(cancellationToken, "ip", "-n", home, "addr", "add", $"{inside}.2/24", "dev", "eth0");
        await RunAsync(cancellationToken, "ip", "-n", gateway, "link", "set", "wan", "up");
        await RunAsync(cancellationToken, "ip", "-n", gateway, "link", "set", "lan", "up");
        await RunAsync(cancellationToken, "ip", "-n", home, "link", "set", "eth0", "up");
        await RunAsync(cancellationToken, "ip", "-n", home, "route", "add", "default", "via", $"{inside}.1");
        await RunAsync(cancellationToken, [.. Inside(gateway), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        string rules = $$"""
            table ip gateway {
              chain after {
                type nat hook postrouting priority srcnat
                oifname "wan" {{masquerade}}
              }
              chain through {
                type filter hook forward priority filter; policy drop
                ct state established,related accept
                iifname "lan" accept
              }
              chain here {
                type filter hook input priority filter; policy drop
                ct state established,related accept
              }
            }
            """;
        (int code, string error) = await TryRunAsync(rules, cancellationToken, [.. Inside(gateway), "nft", "-f", "-"]);
        if (code != 0)
        {
            Assert.Ignore($"NAT tests need nftables with NAT in the kernel: {error}");
        }
    }

    private static async Task RunAsync(CancellationToken cancellationToken, params string[] command)
    {
        (int code, string error) = await TryRunAsync(null, cancellationToken, command);
        Assert.That(code, Is.Zero, $"{string.Join(' ', command)}: {error}");
    }

    private static async Task<(int Code, string Error)> TryRunAsync(string? input, CancellationToken cancellationToken, params string[] command)
    {
        ProcessStartInfo start = new(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["PATH"] += ":/usr/sbin:/sbin";
        using Process process = Process.Start(start)!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, (await error).Trim());
    }
}
