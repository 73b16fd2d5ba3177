using System.Collections.Immutable;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>Vectors of a model that pools its outputs.</summary>
public sealed class EmbeddingTests
{
    private LlamaCppEmbedder _engine = null!;

    [OneTimeSetUp]
    public async Task Load() => _engine = await TestEngine.LoadEmbedderAsync();

    [OneTimeTearDown]
    public async Task Unload()
    {
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }
    }

    [Test]
    public async Task Embed_SeveralInputs_AreTheVectorsOfEachAlone()
    {
        string[] texts = ["A node serves models.", "The quick brown fox", "x", "Relays learn nothing about what was asked or answered.", "A node serves models.", "z z z"];
        (List<GenerationEvent.Embedding> together, GenerationEvent.Finished end) = await RunAsync(texts);
        Assert.That(together.Select(e => e.Index), Is.EqualTo(Enumerable.Range(0, texts.Length)));
        Assert.That(end.Usage.PromptTokens, Is.GreaterThan(texts.Length));
        for (int i = 0; i < texts.Length; i++)
        {
            (List<GenerationEvent.Embedding> alone, _) = await RunAsync(texts[i]);
            Assert.That(Cosine(alone[0].Values, together[i].Values), Is.EqualTo(1).Within(1e-3), texts[i]);
            Assert.That(Cosine(together[i].Values, together[i].Values), Is.EqualTo(1).Within(1e-4), "unit length");
        }

        Assert.That(Cosine(together[0].Values, together[4].Values), Is.EqualTo(1).Within(1e-3), "equal texts, equal vectors");
        Assert.That(Cosine(together[0].Values, together[1].Values), Is.LessThan(0.99));
    }

    [Test]
    public async Task Embed_Dimensions_KeepsTheFirstAndUnitLength()
    {
        (List<GenerationEvent.Embedding> whole, _) = await RunAsync("A node");
        List<GenerationEvent> events = await CollectAsync(Request("A node") with { Dimensions = 16 });
        ImmutableArray<float> shortened = events.OfType<GenerationEvent.Embedding>().Single().Values;
        Assert.That(shortened, Has.Length.EqualTo(16));
        Assert.That(Cosine(shortened, shortened), Is.EqualTo(1).Within(1e-4));
        Assert.That(Cosine(shortened, whole[0].Values[..16]) / Math.Sqrt(Cosine(whole[0].Values[..16], whole[0].Values[..16])), Is.EqualTo(1).Within(1e-3));
    }

    [Test]
    public async Task Embed_Gate_ParksAndGoesOn()
    {
        TestGate gate = new(0, 0);
        List<GenerationEvent> seen = [];
        TaskCompletionSource parked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task run = Task.Run(async () =>
        {
            await foreach (GenerationEvent happened in _engine.EmbedAsync(Request("one", "two") with { Gate = gate }, CancellationToken.None))
            {
                seen.Add(happened);
                if (happened is GenerationEvent.Parked)
                {
                    parked.TrySetResult();
                }
            }
        });
        await parked.Task;
        Assert.That(seen.OfType<GenerationEvent.Embedding>(), Is.Empty, "nothing is computed before it is allowed");
        gate.Raise(int.MaxValue, 0);
        await run;
        Assert.That(seen[^1], Is.TypeOf<GenerationEvent.Finished>());
        Assert.That(seen.OfType<GenerationEvent.Embedding>().Count(), Is.EqualTo(2));
    }

    [Test]
    public async Task Embed_BadInput_IsTheClientsError()
    {
        async Task<EngineErrorCode> CodeAsync(EmbeddingRequest request) => (await Assert.ThrowsAsync<EngineException>(async () => await CollectAsync(request)))!.Code;
        Assert.That(await CodeAsync(new EmbeddingRequest { Inputs = [] }), Is.EqualTo(EngineErrorCode.InvalidRequest));
        Assert.That(await CodeAsync(Request("")), Is.EqualTo(EngineErrorCode.InvalidRequest));
        Assert.That(await CodeAsync(Request(string.Concat(Enumerable.Repeat("many words ", 400)))), Is.EqualTo(EngineErrorCode.ContextLengthExceeded));
        Assert.That(await CodeAsync(Request("x") with { Dimensions = 0 }), Is.EqualTo(EngineErrorCode.InvalidRequest));
        Assert.That(await CodeAsync(Request("x") with { Model = "another" }), Is.EqualTo(EngineErrorCode.ModelNotFound));
        Assert.That(await CodeAsync(new EmbeddingRequest { Inputs = [new PromptInput.Tokens([int.MaxValue])] }), Is.EqualTo(EngineErrorCode.InvalidRequest));
        Assert.That(await CodeAsync(new EmbeddingRequest { Inputs = [new PromptInput.Chat([new ChatMessage("user", "x")])] }), Is.EqualTo(EngineErrorCode.InvalidRequest));
        Assert.That(
            (await Assert.ThrowsAsync<EngineException>(async () => await _engine.CollectAsync(TestEngine.Text("x"))))!.Code, Is.EqualTo(EngineErrorCode.UnsupportedParameter));
    }

    [Test]
    public async Task Embed_ManyAtOnce_AllGetTheirOwn()
    {
        string[] texts = [.. Enumerable.Range(0, 40).Select(i => $"text number {i}")];
        ImmutableArray<float>[] vectors = await Task.WhenAll(texts.Select(async t => (await RunAsync(t)).Vectors[0].Values));
        for (int i = 0; i < texts.Length; i += 7)
        {
            Assert.That(Cosine(vectors[i], (await RunAsync(texts[i])).Vectors[0].Values), Is.EqualTo(1).Within(1e-3));
        }

        Assert.That((await _engine.CheckAsync(default)).SlotsBusy, Is.Zero);
    }

    [Test]
    public async Task Embed_EngineDisposed_EndsWithUnavailable()
    {
        LlamaCppEmbedder engine = await TestEngine.LoadEmbedderAsync(slots: 1);
        await engine.DisposeAsync();
        Assert.That(
            (await Assert.ThrowsAsync<EngineException>(async () => await engine.EmbedAsync(Request("x"), default).FirstAsync()))!.Code, Is.EqualTo(EngineErrorCode.Unavailable));
    }

    private static EmbeddingRequest Request(params string[] texts) => new() { Inputs = [.. texts.Select(t => (PromptInput)new PromptInput.Text(t))] };

    private async Task<(List<GenerationEvent.Embedding> Vectors, GenerationEvent.Finished End)> RunAsync(params string[] texts)
    {
        List<GenerationEvent> events = await CollectAsync(Request(texts));
        Assert.That(events[0], Is.TypeOf<GenerationEvent.Started>());
        return ([.. events.OfType<GenerationEvent.Embedding>()], (GenerationEvent.Finished)events[^1]);
    }

    private async Task<List<GenerationEvent>> CollectAsync(EmbeddingRequest request)
    {
        List<GenerationEvent> events = [];
        await foreach (GenerationEvent happened in _engine.EmbedAsync(request, CancellationToken.None))
        {
            events.Add(happened);
        }

        return events;
    }

    private static double Cosine(ImmutableArray<float> a, ImmutableArray<float> b) => a.Zip(b).Sum(p => (double)p.First * p.Second);
}
