using System.Diagnostics;
using System.Globalization;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Protocol.Ton.Toncenter;
using Cocoon.Protocol.Ton.Wallets;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Tests.Benchmarks;

/// <summary>Our side of <c>scripts/bench-ton</c>, which runs it beside @ton/core and a devnet.</summary>
internal static class TonBenchTool
{
    public const string Verb = "ton-bench";

    public static async Task<int> RunAsync(string[] arguments)
    {
        switch (arguments)
        {
            case ["boc", string path]:
                ParseOnDemand(await File.ReadAllBytesAsync(path));
                return 0;
            case ["address", string seed]:
                using (Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(Convert.FromHexString(seed)))
                {
                    Console.WriteLine(new WalletV5R1(key.PublicKey, TonNetwork.Devnet.GlobalId).Address);
                }

                return 0;
            case ["transfer", string url, string seed, string to]:
                return await TransferAsync(new Uri(url), Convert.FromHexString(seed), TonAddress.Parse(to));
            default:
                await Console.Error.WriteLineAsync("usage: ton-bench boc FILE | address SEED | transfer URL SEED TO");
                return 2;
        }
    }

    /// <summary>For each line of stdin one parse, answered with its root hash and its milliseconds.</summary>
    private static void ParseOnDemand(byte[] boc)
    {
        while (Console.ReadLine() is not null)
        {
            long start = Stopwatch.GetTimestamp();
            Cell root = BocReader.ReadSingle(boc);
            double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{root.Hash} {milliseconds:0.000}"));
        }
    }

    /// <summary>One payment from a wallet that was never used, to its proof in the receiver's history; all of it in a fresh process.</summary>
    private static async Task<int> TransferAsync(Uri url, byte[] seed, TonAddress to)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        using HttpClient http = new() { Timeout = Timeout.InfiniteTimeSpan };
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(seed);
        ToncenterClient client = new(http, new ToncenterOptions { Endpoints = [new ToncenterEndpoint(url)] });
        WalletSender sender = new(
            new WalletV5R1(key.PublicKey, TonNetwork.Devnet.GlobalId), key, client, new InMemoryOutboxStore(), new WalletSenderOptions(), TimeProvider.System, NullLogger.Instance);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        Task running = sender.RunAsync(stop.Token);
        SendOutcome outcome = await sender.SendAsync("bench", new InternalMessage(to, 1_000_000, Bounce: false, Cell.Empty), limit.Token);
        await stop.CancelAsync();
        await Task.WhenAny(running);
        Console.WriteLine(outcome.Words);
        return outcome.Result == SendResult.Delivered ? 0 : 1;
    }
}
