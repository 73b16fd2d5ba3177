using Cocoon.Enclave.Inference;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>How the decode thread wakes who reads an answer.</summary>
public sealed class ReaderSignalTests
{
    [Test, CancelAfter(60_000)]
    public async Task Set_ThousandsOfReadersAtOnce_AllocatesNothingOnTheThreadThatSets(CancellationToken cancellationToken)
    {
        using ReaderThread readers = new();
        ReaderSignal[] signals = [.. Enumerable.Range(0, 20_000).Select(_ => new ReaderSignal(readers))];
        await RoundAsync(signals[..2], cancellationToken);
        Assert.That(await RoundAsync(signals[2..], cancellationToken), Is.Zero, "bytes: the thread pool's queue grows, but not on this account");
    }

    [Test, CancelAfter(60_000)]
    public async Task Set_WhileAReaderComesAndGoes_NeverGetsLost(CancellationToken cancellationToken)
    {
        const int last = 200_000;
        using ReaderThread readers = new();
        ReaderSignal signal = new(readers);
        int written = 0;
        Task writer = Task.Run(
            () =>
            {
                for (int i = 1; i <= last; i++)
                {
                    Volatile.Write(ref written, i);
                    signal.Set();
                }
            },
            cancellationToken);
        while (Volatile.Read(ref written) < last)
        {
            await signal.WaitAsync().AsTask().WaitAsync(cancellationToken);
        }

        await writer;
    }

    [Test, CancelAfter(60_000)]
    public async Task Hold_WhatIsPostedMeanwhile_WaitsForRelease_AndDisposalLosesNothing(CancellationToken cancellationToken)
    {
        ReaderThread readers = new();
        ReaderSignal[] signals = [.. Enumerable.Range(0, 3).Select(_ => new ReaderSignal(readers))];
        Task[] waits = [.. signals.Select(s => s.WaitAsync().AsTask())];
        readers.Hold();
        signals[0].Set();
        readers.Release();
        await waits[0].WaitAsync(cancellationToken);
        readers.Hold();
        signals[1].Set();
        readers.Dispose();
        signals[2].Set();
        await Task.WhenAll(waits).WaitAsync(cancellationToken);
        readers.Dispose();
    }

    /// <summary>Sets all of them on one thread; the bytes that thread allocated meanwhile. Completes when every reader went on.</summary>
    private static async Task<long> RoundAsync(ReaderSignal[] signals, CancellationToken cancellationToken)
    {
        Task[] waits = [.. signals.Select(s => s.WaitAsync().AsTask())];
        TaskCompletionSource<long> set = new();
        new Thread(() =>
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            foreach (ReaderSignal signal in signals)
            {
                signal.Set();
            }

            set.SetResult(GC.GetAllocatedBytesForCurrentThread() - before);
        }).Start();
        await Task.WhenAll(waits).WaitAsync(cancellationToken);
        return await set.Task.WaitAsync(cancellationToken);
    }
}
