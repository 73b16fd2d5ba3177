using System.Text.Json;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>Chats through llama.cpp: reasoning and calls that a model really writes, and answers that go on.</summary>
public sealed class ChatOutputTests
{
    private static readonly ChatTool s_look = new("look", "Look there.", JsonDocument.Parse("""{"type":"object"}""").RootElement);

    [Test]
    public async Task Generate_ModelThatThinksAndCalls_IsToldApart()
    {
        await using LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Caller);
        GenerationRequest request = TestEngine.Chat(new ChatMessage("user", "Look."));
        Collected collected = await engine.CollectAsync(request with { Prompt = ((PromptInput.Chat)request.Prompt) with { Tools = [s_look] } });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Joined<GenerationEvent.Reasoning>(collected, r => r.Delta), Is.EqualTo("Maybe look there."));
            Assert.That(collected.Events.OfType<GenerationEvent.ToolCallStart>().Select(c => c.Name), Is.EqualTo(new[] { "look" }));
            Assert.That(Joined<GenerationEvent.ToolCallArguments>(collected, a => a.Delta), Is.EqualTo("{}"));
            Assert.That(collected.Text, Is.Empty);
            Assert.That(collected.Finished!.Reason, Is.EqualTo(FinishReason.ToolCalls));
            Assert.That(collected.Finished.Usage.ReasoningTokens, Is.GreaterThan(0).And.LessThan(collected.Finished.Usage.CompletionTokens));
        }
    }

    [Test]
    public async Task Generate_WithoutTools_CallsAreText()
    {
        await using LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Caller);
        Collected collected = await engine.CollectAsync(TestEngine.Chat(new ChatMessage("user", "Look.")));
        Assert.That(collected.Text, Is.EqualTo(TestModel.Call[TestModel.Call.IndexOf("<tool_call>", StringComparison.Ordinal)..]));
        Assert.That(collected.Finished!.Reason, Is.EqualTo(FinishReason.Stop));
    }

    [Test]
    public async Task Generate_AnswerThatBeganElsewhere_GoesOn()
    {
        await using LlamaCppEngine engine = await TestEngine.LoadAsync();
        const string begun = "Cocoon keeps every prompt private";
        GenerationRequest request = TestEngine.Chat(new ChatMessage("user", "What do you keep?"));
        Collected collected = await engine.CollectAsync(request with { Prompt = ((PromptInput.Chat)request.Prompt) with { AnswerPrefix = begun } });
        Assert.That(begun + collected.Text, Is.EqualTo(TestModel.Sentence));
    }

    private static string Joined<T>(Collected collected, Func<T, string> text) => string.Concat(collected.Events.OfType<T>().Select(text));
}
