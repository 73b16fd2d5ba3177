using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Enclave.Inference.LlamaCpp.Scheduling;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>Many requests on one context, on the model whose output shows any mix-up of their caches.</summary>
public sealed class BatchSchedulerTests
{
    private const int Slots = 3;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private LlamaCppEngine _engine = null!;

    private static string Prompt(int i) => string.Concat(Enumerable.Repeat($"sequences share one batch {i} ", 1 + (i * 4)));

    [OneTimeSetUp]
    public async Task Load() => _engine = await TestEngine.LoadAsync(TestModelMode.Random, Slots, context: 512, batch: 64);

    [OneTimeTearDown]
    public async Task Unload()
    {
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }
    }

    [TestCase(100, 0)]
    [TestCase(50, 80)]
    [TestCase(20, 320)]
    public void Rest_AfterAStep_LeavesTheEngineItsShareOfTheTime(int percent, int milliseconds) =>
        Assert.That(BatchScheduler.Rest(TimeSpan.FromMilliseconds(80), percent).TotalMilliseconds, Is.EqualTo(milliseconds).Within(0.001));

    /// <summary>At one percent a step of 200 ms is followed by 20 s in which a cancelled request would keep its slot.</summary>
    [Test]
    public void Rest_OfALongStep_IsTakenInPiecesThatMakeItUp()
    {
        TimeSpan rest = BatchScheduler.Rest(TimeSpan.FromMilliseconds(201), 1);
        TimeSpan[] pieces = [.. BatchScheduler.Pieces(rest)];
        Assert.That(pieces, Has.All.GreaterThan(TimeSpan.Zero).And.All.LessThanOrEqualTo(TimeSpan.FromMilliseconds(50)));
        Assert.That(pieces.Aggregate(TimeSpan.Zero, (sum, piece) => sum + piece), Is.EqualTo(rest));
        Assert.That(BatchScheduler.Pieces(TimeSpan.Zero), Is.Empty);
    }

    [Test]
    public async Task Generate_StaggeredRequests_EqualSingleRuns()
    {
        List<int>[] alone = new List<int>[6];
        for (int i = 0; i < alone.Length; i++)
        {
            alone[i] = (await _engine.CollectAsync(TestEngine.Text(Prompt(i), 20 + (i * 5)) with { IgnoreEnd = true })).Tokens[0];
        }

        Collected[] together = await Task.WhenAll(
            Enumerable.Range(0, alone.Length).Select(i => _engine.CollectAsync(TestEngine.Text(Prompt(i), 20 + (i * 5)) with { IgnoreEnd = true })));
        for (int i = 0; i < alone.Length; i++)
        {
            Assert.That(together[i].Tokens[0], Is.EqualTo(alone[i]), $"request {i}");
        }

        Assert.That(together.Select(c => string.Join(' ', c.Tokens[0])).Distinct().Count(), Is.EqualTo(alone.Length), "prompts matter in this model");
    }

    [Test]
    public async Task Generate_TwoRequests_RunInOneBatch()
    {
        // Each request may only go on while the other has got as far: serial execution would never end.
        TestGate first = new(1000, 1);
        TestGate second = new(1000, 1);
        Task<Collected> a = FollowAsync(first, second);
        Task<Collected> b = FollowAsync(second, first);
        Collected[] both = await Task.WhenAll(a, b).WaitAsync(Patience);
        Assert.That(both.Select(c => c.Tokens[0].Count), Is.All.EqualTo(12));

        async Task<Collected> FollowAsync(TestGate own, TestGate other)
        {
            Collected collected = new(1);
            await foreach (GenerationEvent happened in _engine.GenerateAsync(
                TestEngine.Text("two in one batch", 12) with { IgnoreEnd = true, Gate = own }, CancellationToken.None))
            {
                collected.Add(happened);
                other.Raise(1000, collected.Tokens[0].Count + 1);
            }

            other.Raise(1000, 1000);
            return collected;
        }
    }

    [Test]
    public async Task Generate_ParkedSlot_DoesNotStallTheOthers()
    {
        TestGate gate = new(1000, 4);
        Collected parked = new(1);
        TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task reading = ReadAsync();
        await stopped.Task.WaitAsync(Patience);
        Assert.That((await _engine.CheckAsync(CancellationToken.None)).Parked, Is.EqualTo(1));
        for (int i = 0; i < 6; i++)
        {
            Collected other = await _engine.CollectAsync(TestEngine.Text(Prompt(i), 20) with { IgnoreEnd = true }).WaitAsync(Patience);
            Assert.That(other.Tokens[0], Has.Count.EqualTo(20));
        }

        Assert.That(parked.Tokens[0], Has.Count.EqualTo(4), "what was allowed was delivered, nothing more");
        Assert.That(parked.Events[^1], Is.EqualTo(new GenerationEvent.Parked(parked.Started!.PromptTokens, 0, 5)));
        gate.Raise(1000, 1000);
        await reading.WaitAsync(Patience);
        List<int> free = (await _engine.CollectAsync(TestEngine.Text("park me", 10) with { IgnoreEnd = true })).Tokens[0];
        Assert.That(parked.Tokens[0], Is.EqualTo(free), "parking changes nothing in the answer");

        async Task ReadAsync()
        {
            await foreach (GenerationEvent happened in _engine.GenerateAsync(
                TestEngine.Text("park me", 10) with { IgnoreEnd = true, Gate = gate }, CancellationToken.None))
            {
                parked.Add(happened);
                if (happened is GenerationEvent.Parked)
                {
                    stopped.TrySetResult();
                }
            }
        }
    }

    [Test]
    public async Task Generate_GateOnThePrompt_ParksBeforeReadingOn()
    {
        TestGate gate = new(64, 1000);
        Collected collected = new(1);
        bool stopped = false;
        await foreach (GenerationEvent happened in _engine.GenerateAsync(TestEngine.Text(Prompt(8), 5) with { IgnoreEnd = true, Gate = gate }, CancellationToken.None))
        {
            collected.Add(happened);
            if (happened is GenerationEvent.Parked parked)
            {
                stopped = true;
                Assert.That(gate.Granted.Prompt, Is.EqualTo(64));
                Assert.That(parked.PromptTokens, Is.EqualTo(128), "asks for the next block");
                gate.Raise(1000, 1000);
            }
        }

        Assert.That(stopped);
        Assert.That(collected.Tokens[0], Has.Count.EqualTo(5));
    }

    [Test]
    public async Task Generate_ClosedGate_CancelledWhileParked_FreesTheSlot()
    {
        using CancellationTokenSource cancel = new();
        await Assert.CatchAsync<OperationCanceledException>(async () =>
        {
            await foreach (GenerationEvent happened in _engine.GenerateAsync(TestEngine.Text("never paid") with { Gate = new TestGate(0, 0) }, cancel.Token))
            {
                if (happened is GenerationEvent.Parked)
                {
                    await cancel.CancelAsync();
                }
            }
        });
        await AssertAllSlotsServeAsync();
    }

    [Test]
    public async Task Generate_CancelledAfterAnyNumberOfEvents_FreesTheSlot([Values(0, 1, 2, 5, 9)] int after)
    {
        using CancellationTokenSource cancel = new();
        int seen = 0;
        if (after == 0)
        {
            await cancel.CancelAsync();
        }

        await Assert.CatchAsync<OperationCanceledException>(async () =>
        {
            await foreach (GenerationEvent _ in _engine.GenerateAsync(TestEngine.Text(Prompt(6), null) with { IgnoreEnd = true }, cancel.Token))
            {
                if (++seen == after)
                {
                    await cancel.CancelAsync();
                }
            }
        });
        Assert.That(seen, Is.EqualTo(after));
        await AssertAllSlotsServeAsync();
    }

    [Test]
    public async Task Generate_AbandonedEnumeration_FreesTheSlot()
    {
        for (int i = 0; i < Slots * 2; i++)
        {
            await foreach (GenerationEvent happened in _engine.GenerateAsync(TestEngine.Text("hang up", null) with { IgnoreEnd = true }, CancellationToken.None))
            {
                if (happened is GenerationEvent.Text)
                {
                    break;
                }
            }
        }

        await AssertAllSlotsServeAsync();
    }

    [Test]
    public async Task Generate_CancelledWhileQueued_IsGoneBeforeItStarts()
    {
        TestGate closed = new(0, 0);
        using CancellationTokenSource all = new();
        Task[] holders = [.. Enumerable.Range(0, Slots).Select(_ => HoldAsync(closed, all.Token))];
        using CancellationTokenSource cancel = new();
        Task<Collected> queued = _engine.CollectAsync(TestEngine.Text("queued"), cancel.Token);
        await cancel.CancelAsync();
        await Assert.CatchAsync<OperationCanceledException>(() => queued);
        closed.Raise(1000, 1000);
        await Task.WhenAll(holders).WaitAsync(Patience);
        await AssertAllSlotsServeAsync();
    }

    [Test]
    public async Task Generate_UnreadOutput_DoesNotStallTheOthers()
    {
        IAsyncEnumerator<GenerationEvent> slow = _engine.GenerateAsync(TestEngine.Text("slow reader", 100) with { IgnoreEnd = true }, CancellationToken.None).GetAsyncEnumerator();
        Assert.That(await slow.MoveNextAsync());
        for (int i = 0; i < 3; i++)
        {
            await _engine.CollectAsync(TestEngine.Text(Prompt(i), 100) with { IgnoreEnd = true }).WaitAsync(Patience);
        }

        Collected late = new(1);
        do
        {
            late.Add(slow.Current);
        }
        while (await slow.MoveNextAsync());
        await slow.DisposeAsync();
        Assert.That(late.Finished!.Usage.CompletionTokens, Is.EqualTo(100));
        Assert.That(late.Events.OfType<GenerationEvent.Text>().Count(), Is.LessThan(100), "what waited was joined");
    }

    [Test]
    public async Task Generate_InvalidUtf8FromTheModel_IsValidText()
    {
        // The random model emits stray bytes all the time; every delta must be whole characters on its own.
        Collected answer = await _engine.CollectAsync(TestEngine.Text("noise", 200) with
        {
            IgnoreEnd = true,
            Sampling = new SamplingOptions { Seed = 3, Temperature = 2 },
        });
        Assert.That(answer.Text, Does.Contain('\uFFFD'));
        Assert.That(answer.Text.EnumerateRunes().All(r => r.Utf16SequenceLength > 0));
    }

    [Test]
    public async Task Generate_ChoicesOfOnePrompt_AreIndependentContinuations()
    {
        Collected three = await _engine.CollectAsync(TestEngine.Text(Prompt(2), 15) with { Choices = 3, IgnoreEnd = true });
        Collected one = await _engine.CollectAsync(TestEngine.Text(Prompt(2), 15) with { IgnoreEnd = true });
        Assert.That(three.Tokens, Is.All.EqualTo(one.Tokens[0]), "greedy siblings share the prompt's cache and nothing else");
    }

    [Test]
    public async Task Dispose_WithRequestsRunning_EndsEachOnce()
    {
        LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Random, slots: 1);
        TestGate closed = new(0, 0);
        TaskCompletionSource holding = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task running = RunAsync();
        await holding.Task.WaitAsync(Patience);
        Task queued = engine.CollectAsync(TestEngine.Text("queued"));
        await engine.DisposeAsync();
        foreach (Task task in (Task[])[running, queued])
        {
            Assert.That((await Assert.ThrowsAsync<EngineException>(() => task))!.Code, Is.EqualTo(EngineErrorCode.Unavailable));
        }

        Assert.That((await Assert.ThrowsAsync<EngineException>(() => engine.CollectAsync(TestEngine.Text("late"))))!.Code, Is.EqualTo(EngineErrorCode.Unavailable));
        await engine.DisposeAsync();

        async Task RunAsync()
        {
            await foreach (GenerationEvent happened in engine.GenerateAsync(TestEngine.Text("held") with { Gate = closed }, CancellationToken.None))
            {
                if (happened is GenerationEvent.Parked)
                {
                    holding.TrySetResult();
                }
            }
        }
    }

    [Test]
    public async Task Generate_FullQueue_IsOverloadedWithRetryAfter()
    {
        await using LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Random, slots: 1, queue: 2);
        TestGate closed = new(0, 0);
        IAsyncEnumerator<GenerationEvent> holder = engine.GenerateAsync(TestEngine.Text("held", 1) with { Gate = closed }, CancellationToken.None).GetAsyncEnumerator();
        Assert.That(await holder.MoveNextAsync() && holder.Current is GenerationEvent.Started);
        Task<Collected>[] waiting = [engine.CollectAsync(TestEngine.Text("a", 1)), engine.CollectAsync(TestEngine.Text("b", 1))];
        EngineException error = (await Assert.ThrowsAsync<EngineException>(() => engine.CollectAsync(TestEngine.Text("c", 1))))!;
        Assert.That(error.HttpStatus, Is.EqualTo(429));
        Assert.That(error.RetryAfter, Is.GreaterThanOrEqualTo(TimeSpan.FromSeconds(1)));
        closed.Raise(1000, 1000);
        while (await holder.MoveNextAsync())
        {
        }

        await holder.DisposeAsync();
        await Task.WhenAll(waiting).WaitAsync(Patience);
    }

    [Test]
    public async Task Generate_ReaderThatStopsReading_IsCancelled()
    {
        ManualTimeProvider time = new();
        await using LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Random, slots: 1, time: time, readerTimeout: TimeSpan.FromSeconds(30));
        TestGate gate = new(1000, 4);
        IAsyncEnumerator<GenerationEvent> stalled = engine.GenerateAsync(TestEngine.Text("stalled") with { Gate = gate }, CancellationToken.None).GetAsyncEnumerator();
        while (await stalled.MoveNextAsync() && stalled.Current is not GenerationEvent.Parked)
        {
        }

        gate.Raise(1000, 8);
        await gate.Refused.WaitAsync(Patience);
        time.Advance(TimeSpan.FromSeconds(31));
        gate.Raise(1000, 8);
        Collected other = await engine.CollectAsync(TestEngine.Text("next", 2)).WaitAsync(Patience);
        Assert.That(other.Finished, Is.Not.Null, "the only slot is free again");
        EngineException error = (await Assert.ThrowsAsync<EngineException>(async () =>
        {
            while (await stalled.MoveNextAsync())
            {
            }
        }))!;
        Assert.That(error.Code, Is.EqualTo(EngineErrorCode.ReaderStalled));
    }

    [Test]
    public async Task Generate_IdleForLong_WipesWhatWasCached()
    {
        ManualTimeProvider time = new();
        await using LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Random, slots: 2, time: time, idleWipe: TimeSpan.FromSeconds(60));
        TenantKey tenant = TenantKey.CreateRandom();
        await engine.CollectAsync(TestEngine.Text(Prompt(8), 3, tenant));
        time.Advance(TimeSpan.FromSeconds(59));
        Assert.That((await engine.CollectAsync(TestEngine.Text(Prompt(8), 3, tenant))).Started!.CachedTokens, Is.GreaterThan(0));
        time.Advance(TimeSpan.FromSeconds(61));
        Assert.That((await engine.CollectAsync(TestEngine.Text(Prompt(8), 3, tenant))).Started!.CachedTokens, Is.Zero);
    }

    private async Task HoldAsync(TestGate gate, CancellationToken cancellationToken) =>
        await _engine.CollectAsync(TestEngine.Text("hold", 1) with { Gate = gate }, cancellationToken);

    private async Task AssertAllSlotsServeAsync()
    {
        // As many requests as slots, each waiting for the others, end only when every slot can be used.
        TestGate[] gates = [.. Enumerable.Range(0, Slots).Select(_ => new TestGate(1000, 0))];
        int parked = 0;
        Task[] all = [.. gates.Select(async gate =>
        {
            await foreach (GenerationEvent happened in _engine.GenerateAsync(TestEngine.Text("all slots", 2) with { IgnoreEnd = true, Gate = gate }, CancellationToken.None))
            {
                if (happened is GenerationEvent.Parked && Interlocked.Increment(ref parked) == Slots)
                {
                    Array.ForEach(gates, g => g.Raise(1000, 1000));
                }
            }
        })];
        await Task.WhenAll(all).WaitAsync(Patience);
    }
}
