using Cocoon.Enclave.Inference.LlamaCpp.Scheduling;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

public sealed class StepBudgetTests
{
    private static readonly TimeSpan Target = TimeSpan.FromMilliseconds(100);

    [Test]
    public void PromptTokens_WhileOthersAnswer_FitTheTarget()
    {
        StepBudget budget = Learnt(secondsPerPromptToken: 0.001, secondsPerStep: 0.020);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(budget.PromptTokens(0), Is.EqualTo(512), "nobody waits for a next token");
            Assert.That(budget.PromptTokens(4), Is.EqualTo(80));
            Assert.That(Learnt(0.010, 0.050).PromptTokens(4), Is.EqualTo(StepBudget.LeastPrompt), "reading always goes on");
        }
    }

    [TestCase(200, 200, Description = "twice the target")]
    [TestCase(480, 480, Description = "not quite five times")]
    [TestCase(508, 80, Description = "too long to be read at once")]
    [TestCase(600, 80, Description = "more than a batch holds")]
    [TestCase(10, 80, Description = "less than fits anyway")]
    public void PromptTokensOfMany_ShortOnes_AreReadAtOnce(int unread, int expected) =>
        Assert.That(Learnt(0.001, 0.020).PromptTokensOfMany(4, unread), Is.EqualTo(expected));

    [Test]
    public void PromptTokensOfMany_NothingMeasured_IsAsOfFew() =>
        Assert.That(new StepBudget(512, Target).PromptTokensOfMany(4, 300), Is.EqualTo(new StepBudget(512, Target).PromptTokens(4)));

    [Test]
    public void ReadingTime_FollowsTheMeasurements() => Assert.That(Learnt(0.002, 0.02).ReadingTime(50).TotalSeconds, Is.EqualTo(0.1).Within(0.001));

    private static StepBudget Learnt(double secondsPerPromptToken, double secondsPerStep)
    {
        StepBudget budget = new(512, Target);
        budget.Learn(TimeSpan.FromSeconds(secondsPerPromptToken * 100), 100, 0);
        budget.Learn(TimeSpan.FromSeconds(secondsPerStep), 0, 4);
        return budget;
    }
}
