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

    [TestCase(false)]
    [TestCase(true)]
    public async Task Generate_CallThatMustBeMade_FitsTheSchemaWhateverTheModelLikes(bool isNamed)
    {
        ToolChoiceMode mode = isNamed ? ToolChoiceMode.Function : ToolChoiceMode.Required;
        await using LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Random);
        ChatTool[] tools =
        [
            new("place", null, JsonDocument.Parse(
                """{"type":"object","properties":{"where":{"$ref":"#/$defs/side"},"n":{"type":"integer","minimum":0,"maximum":99}},"required":["where","n"],"additionalProperties":false,"$defs":{"side":{"enum":["left","right"]}}}""").RootElement),
            new("stop", null, null),
        ];
        for (ulong seed = 0; seed < 4; seed++)
        {
            GenerationRequest request = TestEngine.Chat(new ChatMessage("user", "Do something."));
            Collected collected = await engine.CollectAsync(request with
            {
                Sampling = new SamplingOptions { Seed = seed, Temperature = 1 },
                MaxTokens = 200,
                Prompt = ((PromptInput.Chat)request.Prompt) with { Tools = [.. tools], ToolChoice = mode, ToolChoiceFunction = mode == ToolChoiceMode.Function ? "place" : null },
            });
            string name = collected.Events.OfType<GenerationEvent.ToolCallStart>().First().Name;
            using JsonDocument arguments = JsonDocument.Parse(Joined<GenerationEvent.ToolCallArguments>(collected, a => a.Delta));
            Assert.That(mode == ToolChoiceMode.Function ? ["place"] : (string[])["place", "stop"], Does.Contain(name));
            Assert.That(collected.Finished!.Reason, Is.EqualTo(FinishReason.ToolCalls));
            if (name == "place")
            {
                Assert.That(arguments.RootElement.GetProperty("where").GetString(), Is.AnyOf("left", "right"));
                Assert.That(arguments.RootElement.GetProperty("n").GetInt32(), Is.InRange(0, 99));
            }
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
