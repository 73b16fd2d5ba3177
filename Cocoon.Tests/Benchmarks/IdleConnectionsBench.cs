using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.Benchmarks;

/// <summary>What a thousand idle connections, each of a peer of its own, add to the memory of the process that listens.</summary>
internal static class IdleConnectionsBench
{
    public const string ListenerVerb = "idle-listener";

    private const int Connections = 1000;
    /// <summary>Well below the handshakes that a listener takes from one address at a time: one ends there a little later than here.</summary>
    private const int AtOnce = 8;

    /// <summary>As a node's own, with room for the run: by default a node keeps 192 connections.</summary>
    private static readonly Libp2pLimits Limits = new() { ConnectionsLow = 2 * Connections, ConnectionsHigh = 2 * Connections, ConnectionsHard = 2 * Connections };

    public static async Task<JsonObject> RunAsync()
    {
        using Process listener = Process.Start(new ProcessStartInfo(
            Environment.ProcessPath!, [typeof(IdleConnectionsBench).Assembly.Location, NetBenchTool.Verb, ListenerVerb])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        Multiaddr address = Multiaddr.Parse((await listener.StandardOutput.ReadLineAsync())!);
        long before = (await AskAsync(listener)).Bytes;
        List<(Libp2pHost Host, Ed25519PrivateKey Key)> dialers = [];
        try
        {
            for (int i = 0; i < Connections; i++)
            {
                Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
                dialers.Add((new Libp2pHost(new Libp2pHostOptions { Identity = key, AllowPrivateAddresses = true }), key));
            }

            await Parallel.ForEachAsync(dialers, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (dialer, cancellationToken) =>
            {
                await dialer.Host.StartAsync(cancellationToken);
                dialer.Host.AddAddresses(address.Peer!, [address.WithoutPeer()], TimeSpan.FromHours(1));
                await dialer.Host.ConnectAsync(address.Peer!, cancellationToken);
            });
            (int open, long after) = await AskAsync(listener);
            for (int tries = 0; open < Connections && tries < 50; tries++)
            {
                await Task.Delay(200);
                (open, after) = await AskAsync(listener);
            }

            return new JsonObject
            {
                ["connections"] = open,
                ["megabytes"] = (after - before) / 1e6,
                ["kilobytes_each"] = (after - before) / 1e3 / open,
            };
        }
        finally
        {
            await Parallel.ForEachAsync(dialers, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (dialer, _) =>
            {
                await dialer.Host.DisposeAsync();
                dialer.Key.Dispose();
            });
            listener.StandardInput.Close();
            await listener.WaitForExitAsync();
        }
    }

    /// <summary>The listening process: its address first, then for each line read its connections and resident bytes.</summary>
    public static async Task<int> ListenAsync(TextReader input, TextWriter output)
    {
        await using Libp2pHost host = await TestHosts.StartAsync(Limits);
        await output.WriteLineAsync(host.FullAddress().ToString());
        while (await input.ReadLineAsync() is not null)
        {
            // What handshakes left behind is not what connections hold.
            GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
            GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            await output.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture, $"{host.Connections.Count(connection => connection.Protocols.Count > 0)} {Environment.WorkingSet}"));
        }

        return 0;
    }

    private static async Task<(int Connections, long Bytes)> AskAsync(Process listener)
    {
        await listener.StandardInput.WriteLineAsync();
        string[] answer = (await listener.StandardOutput.ReadLineAsync())!.Split(' ');
        return (int.Parse(answer[0], CultureInfo.InvariantCulture), long.Parse(answer[1], CultureInfo.InvariantCulture));
    }
}
