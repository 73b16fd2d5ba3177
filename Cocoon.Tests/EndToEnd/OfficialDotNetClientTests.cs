using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Tests.Support;
using NUnit.Framework;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Embeddings;
using OpenAI.Responses;

#pragma warning disable OPENAI001 // The library calls seeds and its responses client experimental.

namespace Cocoon.Tests.EndToEnd;

/// <summary>The <c>OpenAI</c> package of NuGet against the light client: through HTTP, sealing, libp2p, a paying channel and llama.cpp, and back.</summary>
public sealed class OfficialDotNetClientTests
{
    private const string Schema =
        """{"type":"object","properties":{"city":{"enum":["Paris","Zürich"]},"days":{"type":"integer","minimum":1,"maximum":14},"sky":{"type":"array","items":{"enum":["sun","rain"]},"minItems":1,"maxItems":3}},"required":["city","days","sky"],"additionalProperties":false}""";

    private static readonly ChatTool s_weather = ChatTool.CreateFunctionTool("weather", "Weather of a city.", BinaryData.FromString(Schema), functionSchemaIsStrict: true);

    private static ChatClient Chat() => new(CocoonNetwork.ModelName, new ApiKeyCredential("unused"), Options(SharedNetwork.Client));

    [OneTimeSetUp]
    public Task StartAsync() => SpecialProviders.StartAsync();

    [Test, CancelAfter(60_000)]
    public async Task Stream_ComesInPieces_WithUsage(CancellationToken cancellationToken)
    {
        string text = "";
        int pieces = 0;
        ChatTokenUsage? usage = null;
        await foreach (StreamingChatCompletionUpdate update in Chat().CompleteChatStreamingAsync(
            [new UserChatMessage("What do you keep?")], new ChatCompletionOptions { Temperature = 0 }, cancellationToken))
        {
            text += string.Concat(update.ContentUpdate.Select(p => p.Text));
            pieces += update.ContentUpdate.Count;
            usage = update.Usage ?? usage;
        }

        Assert.That((text, pieces > 2, usage?.OutputTokenCount > 2), Is.EqualTo((TestModel.Sentence, true, true)));
    }

    [Test, CancelAfter(60_000)]
    public async Task Tools_RoundTrip_TheCallFitsItsSchemaAndTheResultIsRead(CancellationToken cancellationToken)
    {
        List<ChatMessage> messages = [new SystemChatMessage("Use tools."), new UserChatMessage("Weather?")];
        ChatCompletionOptions options = new() { Tools = { s_weather }, ToolChoice = ChatToolChoice.CreateRequiredChoice() };
        ChatCompletion first = await Chat().CompleteChatAsync(messages, options, cancellationToken);
        ChatToolCall call = first.ToolCalls[0];
        AssertFits(call.FunctionArguments.ToString());

        messages.Add(new AssistantChatMessage(first));
        messages.Add(new ToolChatMessage(call.Id, """{"degrees": 21}"""));
        ChatCompletion second = await Chat().CompleteChatAsync(messages, new ChatCompletionOptions { Tools = { s_weather }, Temperature = 0 }, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(first.FinishReason, Is.EqualTo(ChatFinishReason.ToolCalls));
            Assert.That(call.FunctionName, Is.EqualTo("weather"));
            Assert.That(second.Content[0].Text, Is.EqualTo(TestModel.Sentence));
            Assert.That(second.Usage.InputTokenCount, Is.GreaterThan(first.Usage.InputTokenCount));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Tools_CallOfTheModelsOwn_StreamsItsArguments(CancellationToken cancellationToken)
    {
        string name = "", id = "", arguments = "";
        ChatFinishReason? reason = null;
        await foreach (StreamingChatCompletionUpdate update in new ChatClient(SpecialProviders.CallerModel, new ApiKeyCredential("unused"), Options(SpecialProviders.Client)).CompleteChatStreamingAsync(
            [new UserChatMessage("Look.")], new ChatCompletionOptions { Tools = { ChatTool.CreateFunctionTool("look") }, Temperature = 0 }, cancellationToken))
        {
            foreach (StreamingChatToolCallUpdate call in update.ToolCallUpdates)
            {
                (name, id) = (name + call.FunctionName, id + call.ToolCallId);
                arguments += call.FunctionArgumentsUpdate;
            }

            reason = update.FinishReason ?? reason;
        }

        Assert.That((name, arguments, reason), Is.EqualTo(("look", "{}", (ChatFinishReason?)ChatFinishReason.ToolCalls)));
        Assert.That(id, Does.StartWith("call_"));
    }

    [Test, CancelAfter(90_000)]
    public async Task JsonSchema_Strict_AlwaysParses(CancellationToken cancellationToken)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            ChatCompletion completion = await Chat().CompleteChatAsync(
                [new UserChatMessage("Weather as JSON.")],
                new ChatCompletionOptions
                {
                    Seed = seed, Temperature = 1.5f,
                    ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("weather", BinaryData.FromString(Schema), jsonSchemaIsStrict: true),
                },
                cancellationToken);
            Assert.That(completion.FinishReason, Is.EqualTo(ChatFinishReason.Stop));
            AssertFits(completion.Content[0].Text);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Logprobs_ChoicesAndStops_AreHonoured(CancellationToken cancellationToken)
    {
        ChatCompletion logged = await Chat().CompleteChatAsync(
            [new UserChatMessage("What do you keep?")],
            new ChatCompletionOptions { Temperature = 0, IncludeLogProbabilities = true, TopLogProbabilityCount = 3, StopSequences = { " private" } },
            cancellationToken);
        JsonObject body = EndToEnd.Chat.Ask("What do you keep?");
        (body["n"], body["stream"]) = (2, false);
        body.Remove("stream_options");
        using HttpResponseMessage response = await EndToEnd.Chat.PostAsync(SharedNetwork.Client, System.Net.Http.Json.JsonContent.Create(body), cancellationToken);
        JsonNode several = JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(logged.Content[0].Text, Is.EqualTo("Cocoon keeps every prompt"));
            Assert.That(logged.ContentTokenLogProbabilities, Is.Not.Empty);
            Assert.That(logged.ContentTokenLogProbabilities.Select(l => l.TopLogProbabilities.Count), Is.All.EqualTo(3));
            Assert.That(logged.ContentTokenLogProbabilities.Select(l => l.LogProbability), Is.All.LessThanOrEqualTo(0));
            Assert.That(several["choices"]!.AsArray().Select(c => (string?)c!["message"]!["content"]), Is.EqualTo(new[] { TestModel.Sentence, TestModel.Sentence }));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Cancel_InTheMiddle_FreesTheSlot(CancellationToken cancellationToken)
    {
        using CancellationTokenSource hangUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        int pieces = 0;
        Assert.That(
            async () =>
            {
                await foreach (StreamingChatCompletionUpdate update in Chat().CompleteChatStreamingAsync([new UserChatMessage("Go on.")], new ChatCompletionOptions { Temperature = 2 }, hangUp.Token))
                {
                    if (++pieces == 3)
                    {
                        await hangUp.CancelAsync();
                    }
                }
            },
            Throws.InstanceOf<OperationCanceledException>());
        foreach (CocoonNode provider in (CocoonNode[])[SharedNetwork.Cheap, SharedNetwork.Dear])
        {
            await Eventually.GetAsync(
                "the slot is free",
                async () => (await provider.GetAsync("/control/status", cancellationToken))["engine"]!.AsObject() is { } engine && (int)engine["slots_busy"]! == 0 ? engine : null,
                TimeSpan.FromSeconds(15),
                cancellationToken);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Errors_HaveTheirStatusAndCode(CancellationToken cancellationToken)
    {
        (string Code, ChatMessage Message, ChatCompletionOptions Options)[] cases =
        [
            ("context_length_exceeded", new UserChatMessage(string.Concat(Enumerable.Repeat("many words ", 20_000))), new ChatCompletionOptions()),
            ("invalid_request", new UserChatMessage("x"), new ChatCompletionOptions
            {
                ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("s", BinaryData.FromString("""{"type":"object","properties":{"a":{"$ref":"#/$defs/none"}},"required":["a"]}""")),
            }),
            ("invalid_request", new UserChatMessage("x"), new ChatCompletionOptions { Temperature = 99 }),
        ];
        foreach ((string code, ChatMessage message, ChatCompletionOptions options) in cases)
        {
            ClientResultException error = (await Assert.ThrowsAsync<ClientResultException>(() => Chat().CompleteChatAsync([message], options, cancellationToken)))!;
            Assert.That((error.Status, error.Message.Contains(code, StringComparison.Ordinal)), Is.EqualTo((400, true)), error.Message);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Embeddings_EqualTextsAreEqualVectors(CancellationToken cancellationToken)
    {
        EmbeddingClient client = new(SpecialProviders.EmbeddingModel, new ApiKeyCredential("unused"), Options(SpecialProviders.Client));
        OpenAIEmbeddingCollection vectors = await client.GenerateEmbeddingsAsync(["idle GPUs", "a private prompt", "idle GPUs"], options: null, cancellationToken);
        OpenAIEmbeddingCollection shorter = await client.GenerateEmbeddingsAsync(["idle GPUs"], new EmbeddingGenerationOptions { Dimensions = 16 }, cancellationToken);
        float[][] values = [.. vectors.Select(v => v.ToFloats().ToArray())];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values[0], Is.EqualTo(values[2]).Within(1e-5f));
            Assert.That(values[0], Is.Not.EqualTo(values[1]).Within(1e-3f));
            Assert.That(values.Select(v => v.Sum(x => x * x)), Is.All.EqualTo(1).Within(1e-3));
            Assert.That(shorter[0].ToFloats().Length, Is.EqualTo(16));
            Assert.That(vectors.Usage.InputTokenCount, Is.GreaterThan(2));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Responses_StreamCallAndGoOn(CancellationToken cancellationToken)
    {
        ResponsesClient client = new(new ApiKeyCredential("unused"), new ResponsesClientOptions { Endpoint = SharedNetwork.Client.Api, RetryPolicy = new ClientRetryPolicy(0) });
        string text = "";
        await foreach (StreamingResponseUpdate update in await client.CreateResponseStreamingAsync(
            new CreateResponseOptions(CocoonNetwork.ModelName, [ResponseItem.CreateUserMessageItem("What do you keep?")]) { Temperature = 0, StreamingEnabled = true }, cancellationToken))
        {
            text += update is StreamingResponseOutputTextDeltaUpdate delta ? delta.Delta : "";
        }

        ResponseResult called = await client.CreateResponseAsync(
            new CreateResponseOptions(CocoonNetwork.ModelName, [ResponseItem.CreateUserMessageItem("Weather?")])
            {
                Tools = { ResponseTool.CreateFunctionTool("weather", BinaryData.FromString(Schema), true, "Weather of a city.") },
                ToolChoice = ResponseToolChoice.CreateRequiredChoice(),
            },
            cancellationToken);
        FunctionCallResponseItem call = called.OutputItems.OfType<FunctionCallResponseItem>().First();
        AssertFits(call.FunctionArguments.ToString());
        ResponseResult last = await client.CreateResponseAsync(
            new CreateResponseOptions(CocoonNetwork.ModelName, [ResponseItem.CreateFunctionCallOutputItem(call.CallId, "21")]) { PreviousResponseId = called.Id, Temperature = 0 },
            cancellationToken);
        Assert.That((text, last.GetOutputText()), Is.EqualTo((TestModel.Sentence, TestModel.Sentence)));
    }

    private static OpenAIClientOptions Options(CocoonNode client) => new() { Endpoint = client.Api, RetryPolicy = new ClientRetryPolicy(0) };

    private static void AssertFits(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement root = document.RootElement;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(root.EnumerateObject().Select(p => p.Name), Is.EquivalentTo(new[] { "city", "days", "sky" }));
            Assert.That(root.GetProperty("city").GetString(), Is.AnyOf("Paris", "Zürich"));
            Assert.That(root.GetProperty("days").GetInt32(), Is.InRange(1, 14));
            Assert.That(root.GetProperty("sky").EnumerateArray().All(s => s.GetString() is "sun" or "rain"), Is.True, json);
            Assert.That(root.GetProperty("sky").GetArrayLength(), Is.InRange(1, 3));
        }
    }
}
