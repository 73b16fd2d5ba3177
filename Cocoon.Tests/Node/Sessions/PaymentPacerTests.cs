using Cocoon.Node.Sessions;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Sessions;

public sealed class PaymentPacerTests
{
    [Test]
    public void First_LeadsByOneStep()
    {
        PaymentPacer pacer = new(step: 100, bound: 1000);
        Assert.That(pacer.First(), Is.EqualTo(100));
    }

    [Test]
    public void First_SmallRequest_IsBounded() => Assert.That(new PaymentPacer(step: 100, bound: 40).First(), Is.EqualTo(40));

    [Test]
    public void NextFast_WithHalfAStepOfLead_Waits()
    {
        PaymentPacer pacer = new(step: 100, bound: 1000);
        pacer.First();
        pacer.Observe(50);
        Assert.That(pacer.NextFast(), Is.Null);
        pacer.Observe(51);
        Assert.That(pacer.NextFast(), Is.EqualTo(151));
    }

    [Test]
    public void NextBlock_WithoutChange_RepeatsTheLast()
    {
        PaymentPacer pacer = new(step: 100, bound: 1000);
        pacer.First();
        Assert.That(pacer.NextBlock(), Is.EqualTo(100));
        pacer.Observe(30);
        Assert.That(pacer.NextBlock(), Is.EqualTo(130));
        Assert.That(pacer.NextBlock(), Is.EqualTo(130));
    }

    [Test]
    public void Observe_AboveTheBound_IsRefused() => Assert.That(new PaymentPacer(step: 10, bound: 100).Observe(101), Is.False);

    [Test]
    public void Observe_AboveTheBound_IsNeverOwed()
    {
        PaymentPacer pacer = new(step: 10, bound: 100);
        pacer.First();
        pacer.Observe(7);
        pacer.Observe(ulong.MaxValue);
        Assert.That((pacer.Due, pacer.NextBlock()), Is.EqualTo((7UL, 17UL)), "what is booked is what later sessions vouch for");
    }

    [Test]
    public void Final_LeadsNoMore()
    {
        PaymentPacer pacer = new(step: 10, bound: 100);
        pacer.First();
        Assert.That(pacer.Final(55), Is.EqualTo(55));
        Assert.That(pacer.NextBlock(), Is.EqualTo(55));
    }

    [Test]
    public void Allocations_NeverFall_NeverExceedBound_NeverLeadByMoreThanAStep() => Check.QuickThrowOnFailure(
        Prop.ForAll<uint, uint, uint[]>((step, bound, dues) =>
        {
            PaymentPacer pacer = new(step + 1UL, bound);
            ulong last = pacer.First();
            bool holds = last <= bound;
            foreach (uint due in dues)
            {
                pacer.Observe(Math.Min(due, bound));
                ulong next = pacer.NextFast() ?? last;
                holds &= next >= last && next <= bound && next <= pacer.Due + step + 1UL;
                last = next;
            }

            return holds;
        }));
}
