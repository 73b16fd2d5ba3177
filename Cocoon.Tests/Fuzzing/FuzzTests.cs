using NUnit.Framework;

namespace Cocoon.Tests.Fuzzing;

/// <summary>Every parser of strangers' bytes gives a result or a protocol error: 10⁴ inputs here, 10⁶ by <c>scripts/fuzz</c>.</summary>
public sealed class FuzzTests
{
    private const int Cases = 10_000;

    private static IEnumerable<TestCaseData> Targets =>
        FuzzTargets.All.Where(target => !target.IsExhaustiveOnly).Select(target => new TestCaseData(target) { TestName = $"Parser_HostileBytes_GivesItsErrorsOnly({target.Name})" });

    [TestCaseSource(nameof(Targets))]
    public void Parser_HostileBytes_GivesItsErrorsOnly(object target) =>
        Assert.That(new FuzzRun((FuzzTarget)target, Environment.TickCount).Run(Cases)?.ToString(), Is.Null);

    [Test]
    public void Run_OfAFaultyParser_NamesSeedCaseAndInput()
    {
        FuzzTarget faulty = FuzzTarget.Of<FormatException>("test/faulty", 8, bytes => throw (bytes is [0xff, ..] ? new NotSupportedException() : new FormatException()));
        FuzzFinding? first = new FuzzRun(faulty, seed: 7).Run(100_000), again = new FuzzRun(faulty, seed: 7).Run(100_000);
        Assert.That(first?.Input, Has.Length.GreaterThan(0).And.ItemAt(0).EqualTo(0xff));
        Assert.That(first!.ToString(), Does.Contain("seed 7").And.Contain(Convert.ToHexStringLower(first.Input)).And.Contain(nameof(NotSupportedException)));
        Assert.That(again!.Input, Is.EqualTo(first.Input), "a seed repeats a run");
    }

    [Test]
    public void Run_OfAParserThatTrustsALength_IsAFinding()
    {
        FuzzTarget greedy = FuzzTarget.Of("test/greedy", 8, bytes => GC.KeepAlive(new byte[bytes.Length > 4 ? 1 << 20 : 0])) with { MaxAllocation = 1 << 16 };
        Assert.That(new FuzzRun(greedy, seed: 1).Run(1000)?.Error.Message, Does.Contain("allocate"));
    }

    [Test]
    public void Run_ExhaustiveOnSeveralThreads_TriesEachInputOnce()
    {
        byte[] sample = new byte[300];
        System.Collections.Concurrent.ConcurrentDictionary<string, int> seen = new();
        FuzzTarget all = new("test/all", 4, () => new FuzzSubject(bytes => seen.AddOrUpdate(Convert.ToHexString(bytes), 1, (_, n) => n + 1), sample) { IsThreadSafe = true })
        {
            IsExhaustiveOnly = true,
        };
        FuzzRun run = new(all, seed: 1, exhaustive: true);
        Assert.That(run.Run(1_000_000, workers: 4), Is.Null);
        Assert.That((run.Tried, seen.Count), Is.EqualTo((301L + 2400, 301 + 2400)));
        Assert.That(seen.Values, Is.All.EqualTo(1));
    }

    [Test]
    public void Run_Exhaustive_TriesEveryFlippedBitOfASample()
    {
        FuzzTarget one = FuzzTarget.Of("test/one", 4, bytes => _ = bytes is [1, 2, 0x83] ? throw new NotSupportedException() : 0, [1, 2, 3]);
        Assert.That(new FuzzRun(one, seed: 1, exhaustive: true).Run(0)?.Input, Is.EqualTo(new byte[] { 1, 2, 0x83 }));
    }
}
