using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net;
using System.Text.Json.Nodes;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using NUnit.Framework;
using OpenAI.Responses;
using ResponseStore = Cocoon.Node.OpenAi.Responses.ResponseStore;

#pragma warning disable OPENAI001 // The library calls its responses client experimental.

namespace Cocoon.Tests.Node.OpenAi;

/// <summary><c>/v1/responses</c> with the official .NET client over scripted answers.</summary>
public sealed class ResponsesTests
{
    private const string Model = ScriptedClient.Model;

    [Test]
    public async Task Create_Text_IsReadByTheOfficialClient()
    {
        ScriptedClient client = new("Hello", " world");
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        ResponseResult response = await Official(api).CreateResponseAsync(Model, "hi");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.GetOutputText(), Is.EqualTo("Hello world"));
            Assert.That(response.Status, Is.EqualTo(ResponseStatus.Completed));
            Assert.That(response.Usage.TotalTokenCount, Is.EqualTo(9));
            Assert.That(response.Id, Does.StartWith("resp_"));
        }
    }

    [Test]
    public async Task Create_Stream_TellsEveryStepInOrder()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("a", "b"));
        List<string> kinds = [];
        string text = "";
        await foreach (StreamingResponseUpdate update in await Official(api).CreateResponseStreamingAsync(Model, "hi"))
        {
            kinds.Add(update.GetType().Name);
            text += update is StreamingResponseOutputTextDeltaUpdate delta ? delta.Delta : "";
            Assert.That(update.SequenceNumber, Is.EqualTo(kinds.Count - 1));
        }

        Assert.That(text, Is.EqualTo("ab"));
        Assert.That(kinds, Is.EqualTo(new[]
        {
            "StreamingResponseCreatedUpdate", "StreamingResponseInProgressUpdate", "StreamingResponseOutputItemAddedUpdate", "StreamingResponseContentPartAddedUpdate",
            "StreamingResponseOutputTextDeltaUpdate", "StreamingResponseOutputTextDeltaUpdate", "StreamingResponseOutputTextDoneUpdate", "StreamingResponseContentPartDoneUpdate",
            "StreamingResponseOutputItemDoneUpdate", "StreamingResponseCompletedUpdate",
        }));
    }

    [Test]
    public async Task Create_CallAndItsOutput_GoOnFromTheKeptResponse()
    {
        ScriptedClient client = new()
        {
            Script = ask => ask.Messages == 1
                ?
                [
                    .. ScriptedClient.Head,
                    new AnswerPart.Text(new Delta { Reasoning = "Hm." }),
                    new AnswerPart.Text(new Delta { ToolCall = new ToolCallDelta { Id = "call_1", Name = "look" } }),
                    new AnswerPart.Text(new Delta { ToolCall = new ToolCallDelta { Arguments = "{\"q\":1}" } }),
                    .. ScriptedClient.Tail(5, "tool_calls"),
                ]
                : [.. ScriptedClient.Head, new AnswerPart.Text(new Delta { Text = "It is 42." }), .. ScriptedClient.Tail(3)],
        };
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        CreateResponseOptions options = new(Model, [ResponseItem.CreateUserMessageItem("look")])
        {
            Tools = { ResponseTool.CreateFunctionTool("look", BinaryData.FromString("""{"type":"object"}"""), true, "Looks.") },
        };
        ResponseResult first = await Official(api).CreateResponseAsync(options);
        FunctionCallResponseItem call = first.OutputItems.OfType<FunctionCallResponseItem>().Single();
        ResponseResult second = await Official(api).CreateResponseAsync(
            new CreateResponseOptions(Model, [ResponseItem.CreateFunctionCallOutputItem(call.CallId, "42")]) { PreviousResponseId = first.Id });
        JsonArray messages = JsonNode.Parse(client.Asks.Last().Body.Span)!["messages"]!.AsArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((call.FunctionName, call.FunctionArguments.ToString()), Is.EqualTo(("look", "{\"q\":1}")));
            Assert.That(first.OutputItems.OfType<ReasoningResponseItem>().Count(), Is.EqualTo(1));
            Assert.That(second.GetOutputText(), Is.EqualTo("It is 42."));
            Assert.That(messages.Select(m => (string)m!["role"]!), Is.EqualTo(new[] { "user", "assistant", "tool" }));
            Assert.That((string)messages[1]!["tool_calls"]![0]!["id"]!, Is.EqualTo("call_1"));
        }
    }

    [Test]
    public async Task Create_EveryOption_ReachesTheModelInChatForm()
    {
        ScriptedClient client = new("x");
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        await api.PostAsync("responses", $$"""
            {"model":"{{Model}}","instructions":"Be brief.","input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},
             {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"1"},{"type":"reasoning","summary":[]}],
             "max_output_tokens":9,"temperature":0.5,"reasoning":{"effort":"low"},"text":{"format":{"type":"json_schema","name":"s","strict":true,"schema":{"type":"object"} } },
             "tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}],"tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,"top_logprobs":2}
            """);
        JsonNode body = JsonNode.Parse(client.Asks.Single().Body.Span)!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(body["messages"]!.AsArray().Select(m => (string)m!["role"]!), Is.EqualTo(new[] { "system", "user", "assistant", "tool" }));
            Assert.That((int)body["max_completion_tokens"]!, Is.EqualTo(9));
            Assert.That((string)body["reasoning_effort"]!, Is.EqualTo("low"));
            Assert.That((string)body["response_format"]!["json_schema"]!["name"]!, Is.EqualTo("s"));
            Assert.That((string)body["tools"]![0]!["function"]!["name"]!, Is.EqualTo("f"));
            Assert.That((string)body["tool_choice"]!["function"]!["name"]!, Is.EqualTo("f"));
            Assert.That((bool)body["parallel_tool_calls"]!, Is.False);
            Assert.That((int)body["top_logprobs"]!, Is.EqualTo(2));
        }
    }

    [TestCase("""{"model":"m"}""", "input")]
    [TestCase("""{"model":"m","input":[]}""", "input")]
    [TestCase("""{"model":"m","input":[{"type":"item_reference","id":"x"}]}""", "input[0].type")]
    [TestCase("""{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]}""", "input[0].content")]
    [TestCase("""{"model":"m","input":"a","tools":[{"type":"web_search"}]}""", "tools")]
    [TestCase("""{"model":"m","input":"a","background":true}""", "background")]
    [TestCase("""{"model":"m","input":"a","conversation":"c"}""", "conversation")]
    [TestCase("""{"model":"m","input":"a","truncation":"auto"}""", "truncation")]
    [TestCase("""{"model":"m","input":"a","max_output_tokens":0}""", "max_output_tokens")]
    [TestCase("""{"model":"m","input":"a","instructions":7}""", "instructions")]
    public async Task Create_WhatCannotBeDone_NamesTheField(string body, string param)
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("never"));
        (HttpStatusCode status, JsonObject answer, _) = await api.PostAsync("responses", body);
        Assert.That((status, (string?)answer["error"]!["param"]), Is.EqualTo((HttpStatusCode.BadRequest, param)));
    }

    [Test]
    public async Task Retrieve_KeptOrNot_AndAfterDeletion()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        ResponsesClient client = Official(api);
        ResponseResult kept = await client.CreateResponseAsync(Model, "hi");
        ResponseResult fetched = await client.GetResponseAsync(kept.Id);
        Assert.That(fetched.GetOutputText(), Is.EqualTo("x"));
        Assert.That((await client.DeleteResponseAsync(kept.Id)).Value.Deleted, Is.True);
        Assert.That((await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync(kept.Id)))!.Status, Is.EqualTo(404));

        ResponseResult unkept = await client.CreateResponseAsync(new CreateResponseOptions(Model, [ResponseItem.CreateUserMessageItem("hi")]) { StoredOutputEnabled = false });
        Assert.That((await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync(unkept.Id)))!.Status, Is.EqualTo(404));
        (HttpStatusCode status, JsonObject error, _) = await api.PostAsync("responses", $$"""{"model":"{{Model}}","input":"a","previous_response_id":"{{unkept.Id}}"}""");
        Assert.That((status, (string?)error["error"]!["code"]), Is.EqualTo((HttpStatusCode.NotFound, "previous_response_not_found")));
    }

    [Test]
    public void Store_FloodedByOneCaller_KeepsWhatOthersHave()
    {
        ResponseStore store = new();
        JsonArray said = [new JsonObject { ["role"] = "user", ["content"] = "hi" }];
        store.Add("quiet", "resp_quiet", said, [1]);
        for (int i = 0; i < ResponseStore.MaxResponses * 2; i++)
        {
            store.Add("many", $"resp_{i}", said, [1]);
        }

        JsonArray large = [new JsonObject { ["role"] = "user", ["content"] = new string('x', 4 << 20) }];
        for (int i = 0; i < 8; i++)
        {
            store.Add("large", $"resp_large{i}", large, [1]);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(store.Response("quiet", "resp_quiet"), Is.Not.Null, "nobody's responses go because of another's");
            Assert.That(store.Response("many", $"resp_{(ResponseStore.MaxResponses * 2) - 1}"), Is.Not.Null, "the newest one stays");
            Assert.That(store.Response("many", "resp_0"), Is.Null);
            Assert.That(store.Response("large", "resp_large7"), Is.Not.Null);
            Assert.That(store.Response("large", "resp_large0"), Is.Null);
            Assert.That(store.Response("large", "resp_quiet"), Is.Null, "another caller's id is no id");
            Assert.That(store.Delete("many", "resp_quiet"), Is.False);
        }
    }

    [TestCase("responses", "input")]
    [TestCase("completions", "prompt")]
    public async Task Create_LettersBeyondAscii_TakeNoMoreRoomThanTheyWereSentIn(string path, string field)
    {
        ScriptedClient client = new("x");
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        string text = string.Concat(Enumerable.Repeat("私は猫です。", 1000));
        string value = path == "completions" ? $"[\"{text}\",\"b\"]" : $"\"{text}\"";
        await api.PostAsync(path, $$"""{"model":"{{Model}}","{{field}}":{{value}}}""");
        Assert.That(client.Asks.First().Body.Length, Is.LessThan(System.Text.Encoding.UTF8.GetByteCount(text) + 500));
    }

    [Test]
    public async Task Stream_ProviderLostInTheMiddle_EndsAsFailed()
    {
        InferenceException lost = new(InferenceFailure.ProviderLost, "provider lost", "it vanished", "Ask again.");
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x", "y") { FailAfterFirst = lost });
        (_, string body) = await api.PostTextAsync("responses", $$"""{"model":"{{Model}}","input":"a","stream":true}""");
        Assert.That(body, Does.Contain("event: response.failed").And.Contain("provider_lost").And.Not.Contain("response.completed"));
    }

    private static ResponsesClient Official(OpenAiApi api) =>
        new(new ApiKeyCredential("unused"), new ResponsesClientOptions { Endpoint = api.BaseUrl, RetryPolicy = new ClientRetryPolicy(0) });
}
