using Cocoon.Enclave;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave;

public sealed class IdleMemoryTests
{
    private const int Many = 100;

    [Test]
    public void Look_AfterWork_CollectsOnceItHasRested()
    {
        IdleMemory memory = new(() => 0);
        GC.Collect(0);
        int looks = LooksUntil(memory, IdleMemory.Given.Collected, isWorking: false);
        Assert.That(looks, Is.InRange(2, Many - 1));
        Assert.That(LooksUntil(memory, IdleMemory.Given.Collected, isWorking: false), Is.EqualTo(Many), "once for each rest");

        memory = new(() => 0);
        GC.Collect(0);
        for (int look = 1; look < looks; look++)
        {
            Assert.That(memory.Look(isWorking: false), Is.EqualTo(IdleMemory.Given.Nothing));
        }

        Assert.That(memory.Look(isWorking: true), Is.EqualTo(IdleMemory.Given.Nothing));
        Assert.That(LooksUntil(memory, IdleMemory.Given.Collected, isWorking: false), Is.EqualTo(looks), "work begins the count anew");
    }

    [Test]
    public void Look_BesideWork_TrimsAfterCompilingAndCollectsNothing()
    {
        long compiled = 0;
        IdleMemory memory = new(() => compiled);
        GC.Collect(0);
        Assert.That(LooksUntil(memory, IdleMemory.Given.Trimmed, isWorking: true), Is.EqualTo(Many), "nothing was compiled");
        compiled++;
        int looks = LooksUntil(memory, IdleMemory.Given.Trimmed, isWorking: true);
        Assert.That(looks, Is.InRange(2, Many - 1));
        Assert.That(LooksUntil(memory, IdleMemory.Given.Trimmed, isWorking: true), Is.EqualTo(Many), "once for what was compiled");
        compiled++;
        memory.Look(isWorking: true);
        compiled++;
        Assert.That(LooksUntil(memory, IdleMemory.Given.Trimmed, isWorking: true), Is.EqualTo(looks - 1), "more of it puts nothing off");
        Assert.That(LooksUntil(memory, IdleMemory.Given.Trimmed, isWorking: true), Is.EqualTo(looks), "and has its own");
    }

    /// <summary>How many looks until one gives that back, or <see cref="Many"/>.</summary>
    private static int LooksUntil(IdleMemory memory, IdleMemory.Given given, bool isWorking)
    {
        int looks = 1;
        while (memory.Look(isWorking) != given && looks < Many)
        {
            looks++;
        }

        return looks;
    }
}
