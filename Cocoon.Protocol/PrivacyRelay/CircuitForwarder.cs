using System.Buffers;
using Cocoon.Protocol.Libp2p;

namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>Carries bytes between the two sides of a forwarded circuit, within its limits.</summary>
internal static class CircuitForwarder
{
    private const int BufferSize = 16 * 1024;

    /// <summary>Runs until both sides ended, one broke, or a limit was reached; a broken or overdrawn circuit is reset on both sides.</summary>
    public static async Task RunAsync(IPeerStream client, IPeerStream next, RelayLimits limits, TimeProvider time, CancellationToken cancellationToken)
    {
        using CancellationTokenSource ended = new(limits.MaxDuration, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ended.Token);
        Budget budget = new(limits.MaxBytes, time);
        await using ITimer idle = time.CreateTimer(
            _ => budget.CancelWhenIdle(limits.IdleTimeout, ended), null, limits.IdleTimeout, limits.IdleTimeout / 4);
        Task there = CopyAsync(client, next, budget, linked.Token), back = CopyAsync(next, client, budget, linked.Token);
        try
        {
            // The first side to break ends the other.
            await await Task.WhenAny(there, back);
            await Task.WhenAll(there, back);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            client.Reset();
            next.Reset();
            await ended.CancelAsync();
            await Task.WhenAll(there, back).ContinueWith(
                static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private static async Task CopyAsync(IPeerStream from, IPeerStream to, Budget budget, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (await from.ReadAsync(buffer, cancellationToken) is var read and > 0)
            {
                budget.Take(read);
                await to.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }

            await to.CloseWriteAsync(cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private sealed class Budget(long bytes, TimeProvider time)
    {
        private long _left = bytes;
        private long _lastMove = time.GetTimestamp();

        public void Take(int count)
        {
            if (Interlocked.Add(ref _left, -count) < 0)
            {
                throw new Libp2pException(Libp2pErrorCode.ResourceLimit, "The circuit carried all it may.");
            }

            Volatile.Write(ref _lastMove, time.GetTimestamp());
        }

        public void CancelWhenIdle(TimeSpan limit, CancellationTokenSource circuit)
        {
            if (time.GetElapsedTime(Volatile.Read(ref _lastMove)) >= limit)
            {
                circuit.Cancel();
            }
        }
    }
}
