using NUnit.Framework;

namespace Cocoon.Tests.Support;

/// <summary>Drives components that live on a <see cref="ManualTimeProvider"/>: time passes in steps, and work settles between them.</summary>
internal static class VirtualTime
{
    /// <summary>Lets time pass until the condition holds; fails the test when it does not within <paramref name="limit"/> of virtual time.</summary>
    public static async Task UntilAsync(
        this ManualTimeProvider time, Func<bool> condition, string what, TimeSpan? limit = null, TimeSpan? step = null)
    {
        TimeSpan left = limit ?? TimeSpan.FromSeconds(60), each = step ?? TimeSpan.FromMilliseconds(100);
        await SettleAsync();
        for (; !condition(); left -= each)
        {
            if (left <= TimeSpan.Zero)
            {
                Assert.Fail("Not in time: " + what);
            }

            time.Advance(each);
            await SettleAsync();
        }
    }

    /// <summary>Lets <paramref name="duration"/> pass in steps.</summary>
    public static async Task PassAsync(this ManualTimeProvider time, TimeSpan duration, TimeSpan? step = null)
    {
        TimeSpan each = step ?? TimeSpan.FromMilliseconds(100);
        await SettleAsync();
        for (TimeSpan left = duration; left > TimeSpan.Zero; left -= each)
        {
            time.Advance(left < each ? left : each);
            await SettleAsync();
        }
    }

    /// <summary>Lets time pass while a task runs, until it ends.</summary>
    public static async Task<T> RunAsync<T>(this ManualTimeProvider time, Task<T> task, TimeSpan? limit = null, TimeSpan? step = null)
    {
        await time.UntilAsync(() => task.IsCompleted, "the task's end", limit, step);
        return await task;
    }

    /// <inheritdoc cref="RunAsync{T}"/>
    public static async Task RunAsync(this ManualTimeProvider time, Task task, TimeSpan? limit = null, TimeSpan? step = null)
    {
        await time.UntilAsync(() => task.IsCompleted, "the task's end", limit, step);
        await task;
    }

    /// <summary>
    /// Real sockets under a clock of ours: a step of virtual time passes every few real milliseconds, which the sockets need, until what
    /// must happen has happened.
    /// </summary>
    public static async Task AdvanceUntilAsync(this ManualTimeProvider time, Task task, CancellationToken cancellationToken, TimeSpan? step = null)
    {
        using PeriodicTimer pace = new(TimeSpan.FromMilliseconds(5));
        while (!task.IsCompleted && await pace.WaitForNextTickAsync(cancellationToken))
        {
            time.Advance(step ?? TimeSpan.FromSeconds(1));
        }

        await task;
    }

    /// <summary>Runs everything that can run without time passing. Exact on a <see cref="VirtualLoop"/>, which tests of many tasks enter first.</summary>
    public static async Task SettleAsync()
    {
        for (int i = 0; i < 3; i++)
        {
            if (SynchronizationContext.Current is VirtualLoop loop)
            {
                await loop.IdleAsync();
            }

            // Little runs elsewhere (cancellation callbacks); it gets a turn.
            await Task.Run(static () => { });
        }
    }
}
