using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp.Scheduling;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

public sealed class FairQueueTests
{
    [Test]
    public void Order_BurstOfOneTenant_DoesNotDelayTheFirstOfAnother()
    {
        FairQueue queue = new();
        TenantKey greedy = TenantKey.CreateRandom();
        TenantKey modest = TenantKey.CreateRandom();
        GenerationJob[] burst = [.. Enumerable.Range(0, 5).Select(_ => Job(greedy))];
        GenerationJob single = Job(modest);
        foreach (GenerationJob job in burst.Append(single))
        {
            queue.Add(job);
        }

        List<GenerationJob> served = [];
        while (queue.Peek() is { } next)
        {
            queue.Take(next);
            served.Add(next);
        }

        Assert.That(served.IndexOf(single), Is.EqualTo(1), "after one of the burst, not after five");
        Assert.That(served.Where(j => j != single), Is.EqualTo(burst));
    }

    [Test]
    public void TakeCancelled_OnlyCancelled_InAnyPlace()
    {
        FairQueue queue = new();
        GenerationJob[] jobs = [.. Enumerable.Range(0, 3).Select(_ => Job(TenantKey.CreateRandom()))];
        Array.ForEach(jobs, queue.Add);
        jobs[1].Cancel();
        Assert.That(queue.TakeCancelled(), Is.SameAs(jobs[1]));
        Assert.That(queue.TakeCancelled(), Is.Null);
        Assert.That(queue.Count, Is.EqualTo(2));
    }

    private static GenerationJob Job(TenantKey tenant) =>
        new(new GenerationRequest { Prompt = new PromptInput.Text("x"), Tenant = tenant }, new int[100], 50, 10, _ => default, TimeProvider.System);
}
