using Cocoon.Tests.Fuzzing;

namespace Cocoon.Tests.Support;

/// <summary>Hostile bytes for what needs more than a parser; parsers alone belong into <see cref="FuzzTargets"/>.</summary>
internal static class Hostile
{
    private const int Cases = 10_000;

    /// <summary>Runs <paramref name="parse"/> over random inputs and disturbed samples; a failure names the seed and the input.</summary>
    public static void Bytes(int maxLength, Action<byte[]> parse, params string[] samples)
    {
        FuzzTarget target = FuzzTarget.Of(NUnit.Framework.TestContext.CurrentContext.Test.Name, maxLength, parse, Array.ConvertAll(samples, Convert.FromHexString));
        if (new FuzzRun(target, Environment.TickCount).Run(Cases) is { } finding)
        {
            throw new NUnit.Framework.AssertionException(finding.ToString(), finding.Error);
        }
    }
}
