using System.Text.Json;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Models;

/// <summary>The built-in model answers phrasings it was never trained on, and politely declines what is not about Cocoon.</summary>
public sealed class GuideModelTests
{
    private const double Required = 0.8;
    private const int Slots = 8;

    private LlamaCppEngine _engine = null!;

    [OneTimeSetUp]
    public async Task LoadAsync()
    {
        TestEngine.RequireNatives();
        LlamaCppOptions options = new()
        {
            ModelPath = Path.Combine(TestPaths.RepositoryRoot, "Cocoon.Enclave", "Models", "cocoon-guide.gguf"),
            Slots = Slots,
            ContextPerRequest = 512,
            Threads = 1,
        };
        _engine = await LlamaCppEngine.LoadAsync(options, NullLogger<LlamaCppEngine>.Instance, TimeProvider.System, CancellationToken.None);
    }

    [OneTimeTearDown]
    public async Task DisposeAsync()
    {
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }
    }

    [Test]
    public async Task HeldBackPhrasings_ContainTheirTopicsKeySentence()
    {
        using JsonDocument data = Data();
        (string Question, string Key)[] cases =
        [
            .. data.RootElement.GetProperty("topics").EnumerateArray().Select(c => (c.GetProperty("question").GetString()!, c.GetProperty("key_sentence").GetString()!)),
        ];
        Assert.That(data.RootElement.GetProperty("topics").EnumerateArray().Select(c => c.GetProperty("topic").GetString()).Distinct().Count(), Is.GreaterThanOrEqualTo(60));
        Assert.That(await ShareAsync(cases), Is.GreaterThanOrEqualTo(Required));
    }

    [Test]
    public async Task ForeignQuestions_AreDeclinedPolitely()
    {
        using JsonDocument data = Data();
        JsonElement foreign = data.RootElement.GetProperty("foreign");
        string decline = foreign.GetProperty("key_sentence").GetString()!;
        (string Question, string Key)[] cases = [.. foreign.GetProperty("questions").EnumerateArray().Select(q => (q.GetString()!, decline))];
        Assert.That(cases, Has.Length.GreaterThanOrEqualTo(40));
        Assert.That(await ShareAsync(cases), Is.GreaterThanOrEqualTo(Required));
    }

    private static JsonDocument Data() =>
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(TestPaths.RepositoryRoot, "scripts", "model", "corpus", "held_back.json")));

    /// <summary>Share of answers, at temperature 0, that contain their key sentence.</summary>
    private async Task<double> ShareAsync((string Question, string Key)[] cases)
    {
        int right = 0;
        await Parallel.ForEachAsync(cases, new ParallelOptions { MaxDegreeOfParallelism = Slots }, async (item, cancellationToken) =>
        {
            Collected answer = await _engine.CollectAsync(TestEngine.Chat(new ChatMessage("user", item.Question)) with { MaxTokens = 96 }, cancellationToken);
            if (answer.Text.Contains(item.Key, StringComparison.Ordinal))
            {
                Interlocked.Increment(ref right);
            }
        });
        double share = (double)right / cases.Length;
        TestContext.Out.WriteLine($"{right} of {cases.Length}: {share:P1}");
        return share;
    }
}
