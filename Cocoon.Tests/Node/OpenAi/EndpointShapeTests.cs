using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.OpenAi;

/// <summary>The bodies that the endpoints take and give, field by field, over a scripted answer.</summary>
public sealed class EndpointShapeTests
{
    private const string Model = ScriptedClient.Model;

    [Test]
    public async Task Completions_SeveralPromptsWithEcho_AreAskedOneByOne()
    {
        ScriptedClient client = new(" there");
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        (HttpStatusCode status, JsonObject answer, _) = await api.PostAsync("completions", $$"""{"model":"{{Model}}","prompt":["hi","ho"],"echo":true,"max_tokens":5}""");
        JsonArray choices = answer["choices"]!.AsArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(status, Is.EqualTo(HttpStatusCode.OK));
            Assert.That((string)answer["object"]!, Is.EqualTo("text_completion"));
            Assert.That(choices.Select(c => (string)c!["text"]!), Is.EqualTo(new[] { "hi there", "ho there" }));
            Assert.That(choices.Select(c => (int)c!["index"]!), Is.EqualTo(new[] { 0, 1 }));
            Assert.That((int)answer["usage"]!["prompt_tokens"]!, Is.EqualTo(14));
            Assert.That((string)answer["cocoon"]!["cost_nanoton"]!, Is.EqualTo("84"));
            Assert.That(client.Asks.Select(a => (string)JsonNode.Parse(a.Body.Span)!["prompt"]!), Is.EqualTo(new[] { "hi", "ho" }));
        }
    }

    [Test]
    public async Task Completions_Stream_HasTheOlderShape()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("a", "b"));
        (_, string body) = await api.PostTextAsync("completions", $$"""{"model":"{{Model}}","prompt":"x","stream":true,"stream_options":{"include_usage":true} }""");
        JsonObject[] events = [.. Events(body)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(string.Concat(events.SelectMany(e => e["choices"]!.AsArray()).Select(c => (string?)c!["text"])), Is.EqualTo("ab"));
            Assert.That(events.SelectMany(e => e["choices"]!.AsArray()).Select(c => (string?)c!["finish_reason"]), Is.EqualTo(new[] { null, null, "stop" }));
            Assert.That((int?)events.Single(e => e["usage"] is not null)["usage"]!["total_tokens"], Is.EqualTo(9));
            Assert.That(body.TrimEnd(), Does.EndWith("data: [DONE]"));
        }
    }

    [Test]
    public async Task Completions_Logprobs_AreParallelLists()
    {
        ScriptedClient client = new() { Script = _ => [.. ScriptedClient.Head, Logprob("he", "llo"), .. ScriptedClient.Tail(2)] };
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        (_, JsonObject answer, _) = await api.PostAsync("completions", $$"""{"model":"{{Model}}","prompt":"x","logprobs":1}""");
        JsonObject logprobs = answer["choices"]![0]!["logprobs"]!.AsObject();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(logprobs["tokens"]!.AsArray().Select(t => (string)t!), Is.EqualTo(new[] { "he", "llo" }));
            Assert.That(logprobs["text_offset"]!.AsArray().Select(t => (int)t!), Is.EqualTo(new[] { 0, 2 }));
            Assert.That(logprobs["top_logprobs"]![0]!.AsObject().ContainsKey("he"), Is.True);
        }
    }

    [TestCase("""{"model":"m"}""", "prompt", "invalid_request")]
    [TestCase("""{"model":"m","prompt":"a","suffix":"b"}""", "suffix", "unsupported_parameter")]
    [TestCase("""{"model":"m","prompt":"a","best_of":3}""", "best_of", "unsupported_parameter")]
    [TestCase("""{"model":"m","prompt":[1,2],"echo":true}""", "echo", "unsupported_parameter")]
    [TestCase("""{"model":"m","prompt":"a","n":99}""", "n", "invalid_request")]
    public async Task Completions_WhatCannotBeDone_NamesTheField(string body, string param, string code)
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("never"));
        (HttpStatusCode status, JsonObject answer, _) = await api.PostAsync("completions", body);
        Assert.That((status, (string?)answer["error"]!["param"], (string?)answer["error"]!["code"]), Is.EqualTo((HttpStatusCode.BadRequest, param, code)));
    }

    [TestCase("float")]
    [TestCase("base64")]
    public async Task Embeddings_AreGivenInTheFormAskedFor(string format)
    {
        ScriptedClient client = new()
        {
            Script = _ =>
            [
                .. ScriptedClient.Head,
                new AnswerPart.Vector(new Embedding { Index = 1, Values = { 0.5f, -1f } }), new AnswerPart.Vector(new Embedding { Index = 0, Values = { 1f, 0f } }),
                .. ScriptedClient.Tail(0),
            ],
        };
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        (_, JsonObject answer, _) = await api.PostAsync("embeddings", $$"""{"model":"{{Model}}","input":["a","b"],"encoding_format":"{{format}}"}""");
        JsonArray data = answer["data"]!.AsArray();
        float[][] vectors = [.. data.Select(d => d!["embedding"] is JsonArray list ? [.. list.Select(v => (float)v!)] : Floats((string)d["embedding"]!))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(vectors, Is.EqualTo(new[] { new[] { 1f, 0f }, new[] { 0.5f, -1f } }));
            Assert.That(data.Select(d => (int)d!["index"]!), Is.EqualTo(new[] { 0, 1 }));
            Assert.That((int)answer["usage"]!["total_tokens"]!, Is.EqualTo(7));
        }
    }

    [Test]
    public async Task Chat_UnknownFields_AreIgnoredAndNamed()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        (HttpStatusCode status, _, HttpResponseMessage response) = await api.PostAsync(
            "chat/completions", $$"""{"model":"{{Model}}","messages":[{"role":"user","content":"q"}],"prediction":{},"verbosity":"low"}""");
        Assert.That(status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(response.Headers.GetValues("x-cocoon-ignored"), Is.EqualTo(new[] { "prediction,verbosity" }));
    }

    /// <summary>The table of README's API page: what asks for something that is not there is refused, whatever the endpoint, before anything leaves.</summary>
    [TestCase("""{"suffix":"x"}""", "suffix"), TestCase("""{"best_of":2}""", "best_of"), TestCase("""{"functions":[]}""", "functions"), TestCase("""{"function_call":"auto"}""", "function_call")]
    [TestCase("""{"audio":{}}""", "audio"), TestCase("""{"modalities":["text","audio"]}""", "modalities"), TestCase("""{"web_search_options":{}}""", "web_search_options")]
    [TestCase("""{"suffix":"","best_of":1,"modalities":["text"],"function_call":"none","audio":null}""", null)]
    public async Task FieldsForWhatIsNotThere_AreRefusedByEveryEndpoint(string fields, string? refused)
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        foreach ((string endpoint, string subject) in new[] { ("chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]"), ("completions", "\"prompt\":\"q\""), ("responses", "\"input\":\"q\"") })
        {
            (HttpStatusCode status, JsonObject answer, _) = await api.PostAsync(endpoint, $"{{\"model\":\"{Model}\",{subject},{fields[1..]}");
            Assert.That(((string?)answer["error"]?["param"], (string?)answer["error"]?["code"]), Is.EqualTo((refused, refused is null ? null : "unsupported_parameter")), $"{endpoint} {answer}");
            Assert.That(status, Is.EqualTo(refused is null ? HttpStatusCode.OK : HttpStatusCode.BadRequest), endpoint);
        }
    }

    [TestCase("completions", """{"prompt":"q","tools":[{"type":"function","function":{"name":"f"}}]}""", "tools")]
    [TestCase("responses", """{"input":"q","n":2}""", "n"), TestCase("responses", """{"input":"q","logit_bias":{"1":5}}""", "logit_bias")]
    public async Task FieldsThatOneEndpointHasNot_AreRefusedThere(string endpoint, string body, string refused)
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        (HttpStatusCode status, JsonObject answer, _) = await api.PostAsync(endpoint, $"{{\"model\":\"{Model}\",{body[1..]}");
        Assert.That((status, (string?)answer["error"]?["param"]), Is.EqualTo((HttpStatusCode.BadRequest, refused)));
    }

    [TestCase("""{"a":""", "ends too early"), TestCase("{", "ends too early"), TestCase("[", "ends too early"), TestCase("", "ends too early")]
    [TestCase("""{"a":1,"a":2}""", "the same name twice"), TestCase("""{"a" 1}""", "is not valid JSON (line 1, byte 5)"), TestCase("{} x", "is not valid JSON (line 1")]
    public async Task BodyThatIsNoJson_IsToldWhatItIs(string body, string words)
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        (_, JsonObject answer, _) = await api.PostAsync("chat/completions", body);
        Assert.That((string)answer["error"]!["message"]!, Does.Contain(words));
    }

    [Test]
    public async Task BodyNestedTooDeep_IsToldSo()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        (_, JsonObject answer, _) = await api.PostAsync("chat/completions", $"{{\"a\":{new string('[', 80)}{new string(']', 80)}}}");
        Assert.That((string)answer["error"]!["message"]!, Does.Contain("nested deeper than 64 levels"));
    }

    [Test]
    public async Task Chat_BodyThatIsNoUnicode_IsAn400()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        byte[] body = Encoding.Latin1.GetBytes("{\"model\":\"a\u00FF\",\"messages\":[{}]}");
        foreach (byte[] bad in (byte[][])[body, Encoding.UTF8.GetBytes("""{"model":"\ud800","messages":[{}]}""")])
        {
            using HttpClient http = new();
            using ByteArrayContent content = new(bad);
            content.Headers.ContentType = new("application/json");
            using HttpResponseMessage response = await http.PostAsync(new Uri(api.BaseUrl, "chat/completions"), content);
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
            Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("invalid_json"));
        }
    }

    [Test]
    public async Task Chat_Overloaded_SaysWhenToComeBack()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x") { FailBefore = new InferenceException(InferenceFailure.Overloaded, "full", "no slot", "Wait.") });
        (HttpStatusCode status, JsonObject answer, HttpResponseMessage response) = await api.PostAsync("chat/completions", $$"""{"model":"{{Model}}","messages":[{}]}""");
        Assert.That((status, (string?)answer["error"]!["code"]), Is.EqualTo((HttpStatusCode.TooManyRequests, "rate_limit_exceeded")));
        Assert.That(response.Headers.RetryAfter?.Delta, Is.EqualTo(TimeSpan.FromSeconds(1)));
    }

    [Test]
    public async Task Chat_ReaderThatTakesNothing_IsCutOffAndTheWorkEnds()
    {
        // Far more than what sockets buffer; without back pressure all of it would be taken into memory.
        int told = 0;
        ScriptedClient client = new() { Endless = () => { Interlocked.Increment(ref told); return new string('x', 16 << 10); } };
        await using OpenAiApi api = await OpenAiApi.StartAsync(client, kestrel => kestrel.Limits.MinResponseDataRate = new(bytesPerSecond: 1 << 20, gracePeriod: TimeSpan.FromSeconds(2)));
        using System.Net.Sockets.TcpClient socket = new() { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(IPAddress.Loopback, api.BaseUrl.Port);
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"{{Model}}","messages":[{}],"stream":true}""");
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n"));
        await socket.GetStream().WriteAsync(body);
        await client.Cancelled.Task.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(told, Is.LessThan(4096), "at most 64 MiB were made for a reader that took nothing");
    }

    [Test]
    public async Task Chat_AnswerOfTwoProviders_NamesBothAndTheSums()
    {
        AnswerSource second = ScriptedClient.Source with { Provider = "12D3KooWsecond" };
        ScriptedClient client = new()
        {
            Script = _ =>
            [
                .. ScriptedClient.Head, new AnswerPart.Text(new Delta { Text = "ab" }),
                new AnswerPart.Ended(new Finished { Choices = { new ChoiceEnd { FinishReason = "stop" } }, Usage = new Usage { PromptTokens = 7, CompletionTokens = 5 } }),
                new AnswerPart.Completed(new AnswerCost(30, 2, 100, "EQsecond"), "r2", null)
                {
                    Segments =
                    [
                        new AnswerSegment(ScriptedClient.Source, 7, 2, 10, 0, null, "provider_lost"), new AnswerSegment(second, 9, 3, 20, 9, "r2", null),
                    ],
                },
            ],
        };
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        (_, JsonObject answer, _) = await api.PostAsync("chat/completions", $$"""{"model":"{{Model}}","messages":[{}]}""");
        JsonArray segments = answer["cocoon"]!["segments"]!.AsArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(segments.Select(s => (string)s!["provider"]!), Is.EqualTo(new[] { "12D3KooWtest", "12D3KooWsecond" }));
            Assert.That(segments.Select(s => (string?)s!["ended_by"]), Is.EqualTo(new[] { "provider_lost", null }));
            Assert.That((string)segments[1]!["replay_cost_nanoton"]!, Is.EqualTo("9"));
            Assert.That((string)answer["cocoon"]!["cost_nanoton"]!, Is.EqualTo("30"));
        }
    }

    [Test]
    public async Task Models_TellTiersAndPrices()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        using HttpClient http = new();
        JsonObject model = JsonNode.Parse(await http.GetStringAsync(new Uri(api.BaseUrl, $"models/{Model}")))!.AsObject();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((int)model["cocoon"]!["providers_by_tier"]!["open"]!, Is.EqualTo(2));
            Assert.That((string)model["cocoon"]!["prices_from_nanoton_per_million"]!["completion"]!, Is.EqualTo("30"));
        }
    }

    private static AnswerPart.Text Logprob(params string[] tokens)
    {
        Delta delta = new() { Text = string.Concat(tokens) };
        delta.Logprobs.Add(tokens.Select(t => new TokenLogprob
        {
            Token = ByteString.CopyFromUtf8(t), Logprob = -0.5f, Top = { new TokenLogprob { Token = ByteString.CopyFromUtf8(t), Logprob = -0.5f } },
        }));
        return new AnswerPart.Text(delta);
    }

    private static float[] Floats(string base64)
    {
        byte[] bytes = Convert.FromBase64String(base64);
        return [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToSingle(bytes, i * 4))];
    }

    private static IEnumerable<JsonObject> Events(string body) => body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
        .Select(e => e["data: ".Length..]).Where(e => e != "[DONE]").Select(e => JsonNode.Parse(e)!.AsObject());
}
