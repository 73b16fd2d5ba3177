namespace Cocoon.Tests.Fuzzing;

/// <summary>A parser of strangers' bytes that is fuzzed: by the test suite with few cases, by <c>scripts/fuzz</c> with many.</summary>
/// <param name="Name"><c>area/parser</c>, as <c>--target</c> takes it.</param>
/// <param name="MaxLength">Longest input that is made of random bytes alone.</param>
/// <param name="Create">Makes the subject; called once a worker, so a subject need not be thread-safe.</param>
internal sealed record FuzzTarget(string Name, int MaxLength, Func<FuzzSubject> Create)
{
    /// <summary>Bytes that one input may allocate; a parser that goes above it trusts a length it did not check.</summary>
    public long MaxAllocation { get; init; } = 4 << 20;

    /// <summary>Too slow for inputs of chance: an exhaustive run tries what belongs to it, and nothing else does.</summary>
    public bool IsExhaustiveOnly { get; init; }

    public override string ToString() => Name;

    /// <summary>A target without state, whose only accepted exception is <typeparamref name="TError"/>.</summary>
    public static FuzzTarget Of<TError>(string name, int maxLength, Action<byte[]> parse, params byte[][] samples)
        where TError : Exception => new(name, maxLength, () => new FuzzSubject(Catching<TError>(parse), samples));

    /// <summary>A target without state that never throws.</summary>
    public static FuzzTarget Of(string name, int maxLength, Action<byte[]> parse, params byte[][] samples) =>
        new(name, maxLength, () => new FuzzSubject(parse, samples));

    public static Action<byte[]> Catching<TError>(Action<byte[]> parse)
        where TError : Exception => bytes =>
        {
            try
            {
                parse(bytes);
            }
            catch (TError)
            {
                // The answer that the parser's contract names.
            }
        };
}

/// <summary>One parser with its samples.</summary>
/// <param name="Parse">Gives a result or one of the errors it documents, whatever the bytes; anything else is a finding.</param>
/// <param name="Samples">Good inputs, which are disturbed.</param>
internal sealed record FuzzSubject(Action<byte[]> Parse, params byte[][] Samples) : IDisposable
{
    /// <summary>What else an exhaustive run tries, beside every truncation and every flipped bit of each sample.</summary>
    public IEnumerable<byte[]> Exhaustive { get; init; } = [];

    /// <summary>Whether <see cref="Parse"/> may run on several threads at once: then an exhaustive run shares the subject.</summary>
    public bool IsThreadSafe { get; init; }

    /// <summary>Disposed with the subject.</summary>
    public IDisposable? Owned { get; init; }

    public void Dispose() => Owned?.Dispose();
}
