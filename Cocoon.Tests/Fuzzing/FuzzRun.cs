namespace Cocoon.Tests.Fuzzing;

/// <summary>Feeds one target. Stops at the first finding.</summary>
internal sealed class FuzzRun(FuzzTarget target, int seed, bool exhaustive = false)
{
    private const int Block = 256;

    private long _next;
    private FuzzFinding? _finding;

    /// <summary>Inputs tried so far, exhaustive ones included.</summary>
    public long Tried { get; private set; }

    /// <returns>What went wrong, or <c>null</c>.</returns>
    public FuzzFinding? Run(long count, int workers = 1)
    {
        if (exhaustive && TryAll(workers) is { } found)
        {
            return found;
        }

        if (target.IsExhaustiveOnly)
        {
            return null;
        }

        Thread[] threads = [.. Enumerable.Range(0, workers - 1).Select(_ => new Thread(() => Work(count)) { IsBackground = true })];
        Array.ForEach(threads, thread => thread.Start());
        Work(count);
        Array.ForEach(threads, thread => thread.Join());
        Tried += Math.Min(count, _next);
        return _finding;
    }

    private FuzzFinding? TryAll(int workers)
    {
        using FuzzSubject subject = target.Create();
        using IEnumerator<byte[]> inputs = new InputMaker(seed, target.MaxLength, subject.Samples).Exhaustive().Concat(subject.Exhaustive).GetEnumerator();
        FuzzFinding? finding = null;
        Thread[] threads = [.. Enumerable.Range(1, (subject.IsThreadSafe ? workers : 1) - 1).Select(_ => new Thread(TryRest) { IsBackground = true })];
        Array.ForEach(threads, thread => thread.Start());
        TryRest();
        Array.ForEach(threads, thread => thread.Join());
        return finding;

        void TryRest()
        {
            while (Volatile.Read(ref finding) is null)
            {
                byte[] input;
                lock (inputs)
                {
                    if (!inputs.MoveNext())
                    {
                        return;
                    }

                    input = inputs.Current;
                    Tried++;
                }

                if (Try(subject, input) is { } error)
                {
                    Interlocked.CompareExchange(ref finding, new FuzzFinding(target, seed, -1, input, error), null);
                }
            }
        }
    }

    private void Work(long count)
    {
        using FuzzSubject subject = target.Create();
        InputMaker maker = new(seed, target.MaxLength, subject.Samples);
        while (Volatile.Read(ref _finding) is null)
        {
            long first = Interlocked.Add(ref _next, Block) - Block;
            for (long i = first; i < Math.Min(first + Block, count); i++)
            {
                byte[] input = maker.Make(i);
                if (Try(subject, (byte[])input.Clone()) is { } error)
                {
                    Interlocked.CompareExchange(ref _finding, new FuzzFinding(target, seed, i, input, error), null);
                    return;
                }
            }

            if (first >= count)
            {
                return;
            }
        }
    }

    private Exception? Try(FuzzSubject subject, byte[] input)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            subject.Parse(input);
        }
        catch (Exception exception)
        {
            return exception;
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated > target.MaxAllocation
            ? new InvalidOperationException($"{input.Length} bytes of input made it allocate {allocated} bytes.")
            : null;
    }
}

/// <summary>An input that a parser handles wrongly.</summary>
/// <param name="Index">Which input of the seed; -1 for one of the exhaustive pass.</param>
internal sealed record FuzzFinding(FuzzTarget Target, int Seed, long Index, byte[] Input, Exception Error)
{
    public override string ToString() =>
        $"{Target.Name}: seed {Seed}, case {Index}, input {Convert.ToHexStringLower(Input)}{Environment.NewLine}{Error}";
}
