using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.Benchmarks;

/// <summary>
/// Signed messages through the whole router (stream, parsing, caches, signature, score, validator, handler) beside the bare signature
/// check of the same messages, in turns. Run on one core (<c>taskset</c>): then both have the same one.
/// </summary>
internal static class GossipValidationBench
{
    private const string Topic = "cocoon/bench/1";
    private const int Rounds = 9, PerRound = 2000;

    /// <summary>Messages under way, below the share of the queue that one peer may fill; and how many travel together.</summary>
    private const int Window = 128, PerFrame = 8;

    /// <summary>As large as an offer.</summary>
    private const int DataSize = 1024;

    private const int Signers = 64;

    public static async Task<JsonObject> RunAsync()
    {
        Ed25519PrivateKey[] keys = [.. Enumerable.Range(0, Signers).Select(_ => Ed25519PrivateKey.Generate())];
        await using MemoryNetwork network = new();
        MemoryHost host = network.AddHost(), sender = network.AddHost();

        // One neighbour brings everything here: what is measured is the work on a message, not a neighbour's allowance.
        GossipsubOptions options = new() { ValidationWorkers = 1, UnseenPerSecond = double.MaxValue, UnseenBurst = double.MaxValue };
        await using GossipsubRouter router = new(host, host.Key, options);
        router.Start();
        using SemaphoreSlim delivered = new(0);
        await router.SubscribeAsync(
            Topic,
            static (_, _) => ValueTask.FromResult(ValidationResult.Accept),
            (_, _) =>
            {
                delivered.Release();
                return ValueTask.CompletedTask;
            });
        sender.Handle(GossipsubProtocol.V12, static async (stream, cancellationToken) =>
        {
            while (await LengthPrefixed.ReadAsync(stream, 1 << 20, cancellationToken) is not null)
            {
            }
        });
        sender.AddAddresses(host.LocalPeer, host.Addresses, TimeSpan.FromHours(1));
        await sender.ConnectAsync(host.LocalPeer, CancellationToken.None);
        await using IPeerStream stream = await sender.OpenStreamAsync(host.LocalPeer, GossipsubProtocol.All, CancellationToken.None);
        List<double> bare = [], routed = [];
        ulong sequence = 1;

        // The first round warms up.
        for (int round = 0; round <= Rounds; round++)
        {
            GossipMessage[] messages =
            [
                .. Enumerable.Range(0, PerRound).Select(i => MessageSigning.Create(keys[i % Signers], Topic, RandomNumberGenerator.GetBytes(DataSize), sequence++)),
            ];
            double alone = VerifyAll(messages), whole = await RouteAllAsync(messages, stream, delivered);
            if (round > 0)
            {
                bare.Add(PerRound / alone);
                routed.Add(PerRound / whole);
            }
        }

        Array.ForEach(keys, key => key.Dispose());
        double[] ratios = [.. routed.Zip(bare, static (a, b) => a / b)];
        return new JsonObject { ["validated_per_second"] = Median(routed), ["verified_per_second"] = Median(bare), ["ratio"] = Median(ratios), ["cores"] = Environment.ProcessorCount };
    }

    private static double VerifyAll(GossipMessage[] messages)
    {
        (byte[] Key, byte[] Signed, byte[] Signature)[] parts =
        [
            .. messages.Select(message => (message.From[6..].ToArray(), MessageSigning.SignedBytes(message), message.Signature.ToArray())),
        ];
        long start = Stopwatch.GetTimestamp();
        foreach ((byte[] key, byte[] signed, byte[] signature) in parts)
        {
            if (!Ed25519.Verify(key, signed, signature))
            {
                throw new InvalidOperationException("A signature of ours does not hold.");
            }
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task<double> RouteAllAsync(GossipMessage[] messages, IPeerStream stream, SemaphoreSlim delivered)
    {
        byte[][] frames =
        [
            .. messages.Chunk(PerFrame).Select(static chunk =>
            {
                ArrayBufferWriter<byte> rpc = new();
                Array.ForEach(chunk, message => GossipRpcWriter.WriteMessage(rpc, message.Raw.Span));
                return rpc.WrittenSpan.ToArray();
            }),
        ];
        long start = Stopwatch.GetTimestamp();
        int sent = 0;
        for (int received = 0; received < messages.Length; received++)
        {
            while (sent < messages.Length && sent - received <= Window - PerFrame)
            {
                await LengthPrefixed.WriteAsync(stream, frames[sent / PerFrame], CancellationToken.None);
                sent += PerFrame;
            }

            await delivered.WaitAsync();
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);
}
