using Cocoon.Enclave;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave;

public sealed class IdleMemoryTests
{
    [Test]
    public void Look_AfterWork_GivesBackOnceItHasRested()
    {
        IdleMemory memory = new();
        GC.Collect(0);
        Assert.That(memory.Look(isWorking: false), Is.False);
        Assert.That(memory.Look(isWorking: false), Is.False);
        Assert.That(memory.Look(isWorking: true), Is.False, "work begins the count anew");
        Assert.That(memory.Look(isWorking: false), Is.False);
        Assert.That(memory.Look(isWorking: false), Is.False);
        Assert.That(memory.Look(isWorking: false), Is.True);
        Assert.That(memory.Look(isWorking: false), Is.False, "once for each rest");
    }
}
