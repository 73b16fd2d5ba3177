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
        if (exhaustive)
        {
            using FuzzSubject subject = target.Create();
            long index = -1;
            foreach (byte[] input in new InputMaker(seed, target.MaxLength, subject.Samples).Exhaustive().Concat(subject.Exhaustive))
            {
                Tried++;
                if (Try(subject, input) is { } error)
                {
                    return new FuzzFinding(target, seed, index, input, error);
                }
            }
        }

        Thread[] threads = [.. Enumerable.Range(0, workers - 1).Select(_ => new Thread(() => Work(count)) { IsBackground = true })];
        Array.ForEach(threads, thread => thread.Start());
        Work(count);
        Array.ForEach(threads, thread => thread.Join());
        Tried += Math.Min(count, _next);
        return _finding;
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
