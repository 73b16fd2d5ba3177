using System.ClientModel;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Cocoon.Node.Sessions;
using NUnit.Framework;
using OpenAI;
using OpenAI.Chat;

namespace Cocoon.Tests.Node.OpenAi;

/// <summary>The HTTP face: the official .NET client works, and every mistake has its OpenAI-shaped error.</summary>
public sealed class ChatCompletionsTests
{
    private static readonly InferenceException s_noOffer = new(InferenceFailure.NoOffer, "no provider", "nothing was heard", "Wait.");

    private static ChatClient OfficialClient(OpenAiApi api) =>
        new(ScriptedClient.Model, new ApiKeyCredential("unused"), new OpenAIClientOptions { Endpoint = api.BaseUrl, RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0) });

    [Test]
    public async Task OfficialClient_WholeAnswer_IsRead()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("Hello", " world"));
        ChatCompletion completion = await OfficialClient(api).CompleteChatAsync(new UserChatMessage("hi"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(completion.Content[0].Text, Is.EqualTo("Hello world"));
            Assert.That(completion.FinishReason, Is.EqualTo(ChatFinishReason.Stop));
            Assert.That(completion.Usage.InputTokenCount, Is.EqualTo(7));
            Assert.That(completion.Usage.OutputTokenCount, Is.EqualTo(2));
        }
    }

    [Test]
    public async Task OfficialClient_Stream_ComesInPieces()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("a", "b", "c"));
        List<string> pieces = [];
        ChatTokenUsage? usage = null;
        await foreach (StreamingChatCompletionUpdate update in OfficialClient(api).CompleteChatStreamingAsync(new UserChatMessage("hi")))
        {
            pieces.AddRange(update.ContentUpdate.Select(part => part.Text).Where(text => text.Length > 0));
            usage ??= update.Usage;
        }

        Assert.That(pieces, Is.EqualTo(new[] { "a", "b", "c" }));
        Assert.That(usage?.TotalTokenCount, Is.EqualTo(10));
    }

    [Test]
    public async Task Stream_EndsWithCostAndDone()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        (HttpStatusCode _, string body, HttpResponseHeaders headers) = await PostAsync(api, """{"model":"m","messages":[{"role":"user","content":"q"}],"stream":true}""");
        string[] events = body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.That(events[^1], Is.EqualTo("data: [DONE]"));
        using JsonDocument cost = JsonDocument.Parse(events[^2]["data: ".Length..]);
        Assert.That(cost.RootElement.GetProperty("cocoon").GetProperty("cost_nanoton").GetString(), Is.EqualTo("42"));
        Assert.That(headers.GetValues("x-cocoon-tier"), Is.EqualTo(new[] { "open" }));
    }

    [TestCase("{", "invalid_json")]
    [TestCase("[]", "invalid_json")]
    [TestCase("""{"messages":[{"role":"user","content":"q"}]}""", "invalid_request")]
    [TestCase("""{"model":"m","messages":[]}""", "invalid_request")]
    [TestCase("""{"model":"m","messages":"q"}""", "invalid_request")]
    [TestCase("""{"model":"m","messages":[{}],"stream":"yes"}""", "invalid_request")]
    [TestCase("""{"model":"m","messages":[{}],"max_tokens":-1}""", "invalid_request")]
    [TestCase("""{"model":"m","messages":[{}],"max_tokens":1.5}""", "invalid_request")]
    [TestCase("""{"model":"m","messages":[{}],"cocoon":{"shape":"round"}}""", "invalid_request")]
    [TestCase("""{"model":"m","model":"n","messages":[{}]}""", "invalid_json")]
    public async Task MalformedRequest_IsAnOpenAiShaped400(string body, string code)
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("never"));
        (HttpStatusCode status, string answer, _) = await PostAsync(api, body);
        using JsonDocument document = JsonDocument.Parse(answer);
        JsonElement error = document.RootElement.GetProperty("error");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(status, Is.EqualTo(HttpStatusCode.BadRequest));
            Assert.That(error.GetProperty("type").GetString(), Is.EqualTo("invalid_request_error"));
            Assert.That(error.GetProperty("code").GetString(), Is.EqualTo(code));
            Assert.That(error.GetProperty("message").GetString(), Is.Not.Empty);
        }
    }

    /// <summary>What is misspelled here would otherwise be a request without the protection that was asked for.</summary>
    [TestCase("""{"relay":2}""", "cocoon.relay")]
    [TestCase("""{"relays":2,"zzz":1}""", "cocoon.zzz")]
    [TestCase("""{"relays":3}""", "cocoon.relays")]
    [TestCase("""{"relays":"2"}""", "cocoon.relays")]
    [TestCase("""{"relays":null}""", "cocoon.relays")]
    [TestCase("""{"Allow_open":true}""", "cocoon.Allow_open")]
    [TestCase("""{"provider":"x"}""", "cocoon.provider")]
    [TestCase("""{"provider":"E4kHfo"}""", "cocoon.provider")]
    [TestCase("""{"provider":""}""", "cocoon.provider")]
    public async Task CocoonObject_WithAMistake_IsA400ThatNamesIt(string extension, string param)
    {
        ScriptedClient client = new("never");
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        (HttpStatusCode status, string answer, _) = await PostAsync(api, $$"""{"model":"m","messages":[{}],"cocoon":{{extension}}}""");
        using JsonDocument document = JsonDocument.Parse(answer);
        Assert.That((status, document.RootElement.GetProperty("error").GetProperty("param").GetString()), Is.EqualTo((HttpStatusCode.BadRequest, param)));
        Assert.That(client.Asks, Is.Empty);
    }

    [Test]
    public async Task BodyNestedTooDeep_SaysSo()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("never"));
        (HttpStatusCode status, string answer, _) = await PostAsync(
            api, $$"""{"model":"m","messages":[{}],"response_format":{{string.Concat(Enumerable.Repeat("{\"a\":", 200))}}1{{new string('}', 200)}}}""");
        Assert.That((status, answer.Contains("deeper than 64", StringComparison.Ordinal)), Is.EqualTo((HttpStatusCode.BadRequest, true)), answer);
    }

    [Test]
    public async Task FailureBeforeTheFirstByte_HasItsStatus()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x") { FailBefore = s_noOffer });
        (HttpStatusCode status, string body, _) = await PostAsync(api, """{"model":"m","messages":[{}],"stream":true}""");
        Assert.That(status, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That(body, Does.Contain("no_offer").And.Contain("Wait."));
    }

    [Test]
    public async Task FailureMidStream_IsAnErrorEventWithoutDone()
    {
        InferenceException lost = new(InferenceFailure.ProviderLost, "provider lost", "it vanished", "Ask again.") { AtRiskNanoton = 9 };
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x", "y") { FailAfterFirst = lost });
        (_, string body, _) = await PostAsync(api, """{"model":"m","messages":[{}],"stream":true}""");
        Assert.That(body, Does.Contain("\"provider_lost\"").And.Contain("At risk: 9 nanoTON").And.Not.Contain("[DONE]"));
    }

    [TestCase(false)]
    [TestCase(true, Description = "a session that nobody ends would keep its share of the channel, and the channel open, for ever")]
    public async Task ClientHangsUp_WorkIsCancelledAndEnds(bool aPartArrives)
    {
        ScriptedClient client = new("x") { Hangs = !aPartArrives, ArrivesWhileLeaving = aPartArrives };
        await using OpenAiApi api = await OpenAiApi.StartAsync(client);
        using HttpClient http = new();
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(api.BaseUrl, "chat/completions"))
        {
            Content = new StringContent("""{"model":"m","messages":[{}],"stream":true}""", Encoding.UTF8, "application/json"),
        };
        HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.Dispose();
        await client.Cancelled.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Test]
    public async Task WrongContentType_IsRefused_SoThatAPlainFormCannotSpend()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        (HttpStatusCode status, _, _) = await PostAsync(api, """{"model":"m","messages":[{}]}""", "text/plain");
        Assert.That(status, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
    }

    [TestCase("evil.example")]
    [TestCase("192.0.2.1")]
    public async Task ForeignHostName_IsRefused(string host)
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        using HttpClient http = new();
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(api.BaseUrl, "models"));
        request.Headers.Host = host;
        using HttpResponseMessage response = await http.SendAsync(request);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
    }

    /// <summary>No cross-origin sharing: a page that somebody looks at may neither read answers nor send JSON.</summary>
    [TestCase("GET")]
    [TestCase("OPTIONS")]
    public async Task PageOfAnotherOrigin_IsAllowedNothing(string method)
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        using HttpClient http = new();
        using HttpRequestMessage request = new(new HttpMethod(method), new Uri(api.BaseUrl, "models"));
        request.Headers.Add("Origin", "https://example.org");
        request.Headers.Add("Access-Control-Request-Method", "POST");
        request.Headers.Add("Access-Control-Request-Headers", "content-type");
        using HttpResponseMessage response = await http.SendAsync(request);
        Assert.That(response.Headers.Select(h => h.Key).Where(name => name.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase)), Is.Empty);
        Assert.That(method == "GET" || !response.IsSuccessStatusCode, Is.True, response.StatusCode.ToString());
    }

    [Test]
    public async Task ControlApi_OverTcp_IsRefused()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        using HttpClient http = new();
        using HttpResponseMessage response = await http.GetAsync(new Uri(api.BaseUrl, "/control/status"));
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
    }

    [Test]
    public async Task Models_ListAndSingle_AndUnknownUrl()
    {
        await using OpenAiApi api = await OpenAiApi.StartAsync(new ScriptedClient("x"));
        using HttpClient http = new();
        Assert.That(await http.GetStringAsync(new Uri(api.BaseUrl, "models")), Does.Contain("\"id\":\"cocoon-guide\""));
        using HttpResponseMessage unknown = await http.GetAsync(new Uri(api.BaseUrl, "models/gpt-9"));
        using HttpResponseMessage nowhere = await http.GetAsync(new Uri(api.BaseUrl, "audio/speech"));
        Assert.That(unknown.StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That(await nowhere.Content.ReadAsStringAsync(), Does.Contain("unknown_url"));
    }

    private static async Task<(HttpStatusCode Status, string Body, HttpResponseHeaders Headers)> PostAsync(OpenAiApi api, string body, string contentType = "application/json")
    {
        using HttpClient http = new();
        using HttpResponseMessage response = await http.PostAsync(new Uri(api.BaseUrl, "chat/completions"), new StringContent(body, Encoding.UTF8, contentType));
        return (response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers);
    }
}
