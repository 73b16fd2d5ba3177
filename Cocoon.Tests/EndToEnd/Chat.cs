using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;

namespace Cocoon.Tests.EndToEnd;

/// <summary>Chat completions as any application sends them: plain HTTP, no library of ours.</summary>
internal static class Chat
{
    private static readonly HttpClient s_http = new() { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>A request that the chain model answers for as long as it is let.</summary>
    public static JsonObject Long(string? provider = null, string prompt = "Go on.", int tokens = 3000)
    {
        JsonObject body = Ask(prompt, provider);
        body["ignore_eos"] = true;
        body["max_tokens"] = tokens;
        return body;
    }

    /// <param name="provider">Peer id of the only provider to ask; <c>null</c> lets the client choose.</param>
    public static JsonObject Ask(string prompt, string? provider = null, string? shape = null)
    {
        JsonObject extension = [];
        if (provider is not null)
        {
            extension["provider"] = provider;
        }

        if (shape is not null)
        {
            extension["shape"] = shape;
        }

        return new JsonObject
        {
            ["model"] = CocoonNetwork.ModelName,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = prompt }),
            ["temperature"] = 0,
            ["stream"] = true,
            ["stream_options"] = new JsonObject { ["include_usage"] = true },
            ["cocoon"] = extension,
        };
    }

    public static async Task<HttpResponseMessage> PostAsync(CocoonNode client, HttpContent body, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, client.Api + "/chat/completions") { Content = body };
        return await s_http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    /// <summary>A whole streamed answer, or the error that came instead of it or in the middle of it.</summary>
    /// <param name="onText">Runs after each piece of text.</param>
    public static async Task<ChatAnswer> StreamAsync(
        CocoonNode client, JsonObject body, CancellationToken cancellationToken, Func<string, Task>? onText = null)
    {
        using HttpResponseMessage response = await PostAsync(client, JsonContent.Create(body), cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            return new ChatAnswer("", null, null, (await response.Content.ReadFromJsonAsync<JsonObject>(cancellationToken))!["error"]!.AsObject(), (int)response.StatusCode);
        }

        StringBuilder text = new();
        JsonObject? usage = null, cocoon = null, error = null;
        await foreach (JsonObject chunk in ChunksAsync(response, cancellationToken))
        {
            usage = chunk["usage"] as JsonObject ?? usage;
            cocoon = chunk["cocoon"] as JsonObject ?? cocoon;
            error = chunk["error"] as JsonObject ?? error;
            string piece = (chunk["choices"] as JsonArray)?.FirstOrDefault()?["delta"]?["content"]?.GetValue<string>() ?? "";
            if (piece.Length > 0)
            {
                text.Append(piece);
                await (onText?.Invoke(piece) ?? Task.CompletedTask);
            }
        }

        return new ChatAnswer(text.ToString(), usage, cocoon, error, (int)response.StatusCode);
    }

    private static async IAsyncEnumerable<JsonObject> ChunksAsync(HttpResponseMessage response, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (SseItem<string> item in SseParser.Create(stream).EnumerateAsync(cancellationToken))
        {
            if (item.Data != "[DONE]")
            {
                yield return JsonNode.Parse(item.Data)!.AsObject();
            }
        }
    }
}

/// <param name="Cocoon">The <c>cocoon</c> object of the last chunk: cost, channel, receipt.</param>
/// <param name="Error">OpenAI's error object.</param>
internal sealed record ChatAnswer(string Text, JsonObject? Usage, JsonObject? Cocoon, JsonObject? Error, int Status)
{
    public string Provider => (string)Cocoon!["provider"]!;

    public string Channel => (string)Cocoon!["channel"]!;

    public ulong VoucherTotal => ulong.Parse((string)Cocoon!["voucher_total_nanoton"]!, System.Globalization.CultureInfo.InvariantCulture);

    public string ErrorText => Error is null ? "" : $"{Status} {Error["code"]}: {Error["message"]}";
}
