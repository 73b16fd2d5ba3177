using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Enclave.Inference.LlamaCpp.Scheduling;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

public sealed class PrefixCacheTests
{
    private static readonly string LongPrompt = string.Concat(Enumerable.Repeat("nobody else may learn that this was asked ", 20));

    private LlamaCppEngine _engine = null!;

    [OneTimeSetUp]
    public async Task Load() => _engine = await TestEngine.LoadAsync(TestModelMode.Random, slots: 2, context: 1024, batch: 64);

    [OneTimeTearDown]
    public async Task Unload()
    {
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }
    }

    [Test]
    public async Task Generate_SamePromptOfSameTenant_ReusesWholeBlocksAndAnswersTheSame()
    {
        TenantKey tenant = TenantKey.CreateRandom();
        Collected first = await _engine.CollectAsync(TestEngine.Text(LongPrompt, 12, tenant) with { IgnoreEnd = true });
        Collected second = await _engine.CollectAsync(TestEngine.Text(LongPrompt, 12, tenant) with { IgnoreEnd = true });
        int prompt = first.Started!.PromptTokens;
        Assert.That(first.Started.CachedTokens, Is.Zero);
        Assert.That(second.Started!.CachedTokens, Is.EqualTo((prompt - 1) / BatchScheduler.CacheBlock * BatchScheduler.CacheBlock));
        Assert.That(second.Tokens[0], Is.EqualTo(first.Tokens[0]));
    }

    [Test]
    public async Task Generate_LongerConversationOfSameTenant_ReusesPromptAndAnswer()
    {
        TenantKey tenant = TenantKey.CreateRandom();
        int[] prompt = [.. Enumerable.Range(0, 150).Select(i => 30 + (i * 7 % 200))];
        GenerationRequest request = TestEngine.Text("", 80, tenant) with { Prompt = new PromptInput.Tokens([.. prompt]), IgnoreEnd = true };
        Collected first = await _engine.CollectAsync(request);
        int[] conversation = [.. prompt, .. first.Tokens[0].Take(70), 40, 41];
        GenerationRequest next = request with { Prompt = new PromptInput.Tokens([.. conversation]), MaxTokens = 5 };
        Collected second = await _engine.CollectAsync(next);
        Assert.That(second.Started!.CachedTokens, Is.EqualTo(192), "prompt and answer, in whole blocks");
        Collected fresh = await _engine.CollectAsync(next with { Tenant = TenantKey.CreateRandom() });
        Assert.That(second.Tokens[0], Is.EqualTo(fresh.Tokens[0]));
    }

    [Test]
    public async Task Generate_SamePromptOfAnotherTenant_ReusesNothing()
    {
        for (int i = 0; i < 6; i++)
        {
            Collected answer = await _engine.CollectAsync(TestEngine.Text(LongPrompt, 3, TenantKey.CreateRandom()));
            Assert.That(answer.Started!.CachedTokens, Is.Zero);
        }
    }

    [Test]
    public async Task Generate_SamePromptOfAnotherTenant_TakesAsManyStepsToTheFirstTokenAsAnyPrompt()
    {
        async Task<(int Cached, long Steps)> FirstTokenAsync(string prompt, TenantKey tenant)
        {
            long before = _engine.Steps;
            await foreach (GenerationEvent happened in _engine.GenerateAsync(TestEngine.Text(prompt, 1, tenant), CancellationToken.None))
            {
                if (happened is GenerationEvent.Finished finished)
                {
                    return (finished.Usage.CachedTokens, _engine.Steps - before);
                }
            }

            throw new AssertionException("no end");
        }

        TenantKey owner = TenantKey.CreateRandom();
        (_, long unknown) = await FirstTokenAsync(LongPrompt, owner);
        (int cached, long known) = await FirstTokenAsync(LongPrompt, owner);
        Assert.That(cached, Is.GreaterThan(0));
        Assert.That(known, Is.LessThan(unknown), "the measure sees a cache that is used");
        string other = string.Concat(Enumerable.Repeat("quite another text of the same number of words ", 18));
        for (int i = 0; i < 5; i++)
        {
            (int strangersCached, long strangers) = await FirstTokenAsync(LongPrompt, TenantKey.CreateRandom());
            Assert.That(strangersCached, Is.Zero);
            Assert.That(strangers, Is.EqualTo(unknown), "a stranger repeating the prompt waits as long as its owner did at first");
            await FirstTokenAsync(other, TenantKey.CreateRandom());
        }
    }

    [Test]
    public async Task Generate_PolicyNone_NeitherLeavesNorUsesAnything()
    {
        TenantKey tenant = TenantKey.CreateRandom();
        await _engine.CollectAsync(TestEngine.Text(LongPrompt, 3, tenant) with { Cache = CachePolicy.None });
        Collected afterNone = await _engine.CollectAsync(TestEngine.Text(LongPrompt, 3, tenant));
        Collected none = await _engine.CollectAsync(TestEngine.Text(LongPrompt, 3, tenant) with { Cache = CachePolicy.None });
        Assert.That(afterNone.Started!.CachedTokens, Is.Zero);
        Assert.That(none.Started!.CachedTokens, Is.Zero);
    }

    [Test]
    public async Task Generate_ShortCommonPrefix_IsNotReused()
    {
        TenantKey tenant = TenantKey.CreateRandom();
        await _engine.CollectAsync(TestEngine.Text("a short prompt", 3, tenant));
        Collected second = await _engine.CollectAsync(TestEngine.Text("a short prompt", 3, tenant));
        Assert.That(second.Started!.CachedTokens, Is.Zero, "less than a block");
    }

    [Test]
    public async Task Generate_AnotherTenantInTheSlot_RemovesTheFirstOnesTokens()
    {
        await using LlamaCppEngine one = await TestEngine.LoadAsync(TestModelMode.Random, slots: 1, context: 1024);
        TenantKey tenant = TenantKey.CreateRandom();
        await one.CollectAsync(TestEngine.Text(LongPrompt, 3, tenant));
        await one.CollectAsync(TestEngine.Text("someone else", 3));
        Collected again = await one.CollectAsync(TestEngine.Text(LongPrompt, 3, tenant));
        Assert.That(again.Started!.CachedTokens, Is.Zero);
    }
}
