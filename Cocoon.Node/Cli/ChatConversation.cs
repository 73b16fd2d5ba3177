using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary>A conversation over the light client's own OpenAI API.</summary>
internal sealed class ChatConversation(ControlClient client, string model)
{
    private readonly JsonArray _messages = [];

    public string Model { get; } = model;

    public uint? MaxTokens { get; init; }

    public string? Shape { get; init; }

    public bool AllowOpen { get; init; }

    public double? Temperature { get; init; }

    public void Add(string role, string content) => _messages.Add(new JsonObject { ["role"] = role, ["content"] = content });

    /// <summary>Asks and waits for the whole answer; text goes to <paramref name="live"/> as it comes.</summary>
    /// <exception cref="CliException">The answer could not be had, or ended early.</exception>
    public async Task<ChatResult> AskAsync(string question, TextWriter? live, CancellationToken cancellationToken)
    {
        Add("user", question);
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions") { Content = JsonContent.Create(Body()) };
        Stopwatch watch = Stopwatch.StartNew();
        using HttpResponseMessage response = await client.StreamAsync(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw Failure((int)response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
        }

        StringBuilder answer = new();
        TimeSpan? first = null;
        TimeSpan last = default;
        JsonObject? usage = null, cocoon = null;
        bool done = false;
        await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (SseItem<string> item in SseParser.Create(body).EnumerateAsync(cancellationToken))
        {
            if (item.Data == "[DONE]")
            {
                done = true;
                break;
            }

            JsonObject chunk = JsonNode.Parse(item.Data)!.AsObject();
            if (chunk["error"] is not null)
            {
                throw Failure(0, item.Data);
            }

            usage = chunk["usage"] as JsonObject ?? usage;
            cocoon = chunk["cocoon"] as JsonObject ?? cocoon;
            string text = (chunk["choices"] as JsonArray)?.FirstOrDefault()?["delta"]?["content"]?.GetValue<string>() ?? "";
            if (text.Length > 0)
            {
                first ??= watch.Elapsed;
                last = watch.Elapsed;
                answer.Append(text);
                if (live is not null)
                {
                    await live.WriteAsync(Rendering.Words.Printable(text));
                    await live.FlushAsync(cancellationToken);
                }
            }
        }

        if (!done)
        {
            throw new CliException(ExitCode.Network, "the answer broke off", "the stream ended before its end mark", "Ask again.");
        }

        Add("assistant", answer.ToString());
        return new ChatResult(answer.ToString(), Model, first ?? watch.Elapsed, last, usage, cocoon);
    }

    private JsonObject Body()
    {
        JsonObject body = new()
        {
            ["model"] = Model,
            ["messages"] = _messages.DeepClone(),
            ["stream"] = true,
            ["stream_options"] = new JsonObject { ["include_usage"] = true },
        };
        if (MaxTokens is { } max)
        {
            body["max_tokens"] = max;
        }

        body["temperature"] = Temperature ?? 0;

        JsonObject extension = [];
        if (Shape is not null)
        {
            extension["shape"] = Shape;
        }

        if (AllowOpen)
        {
            extension["allow_open"] = true;
        }

        if (extension.Count > 0)
        {
            body["cocoon"] = extension;
        }

        return body;
    }

    private static CliException Failure(int status, string body)
    {
        string message = body, code = "";
        try
        {
            JsonNode? error = JsonNode.Parse(body)?["error"];
            message = error?["message"]?.GetValue<string>() ?? body;
            code = error?["code"]?.GetValue<string>() ?? "";
        }
        catch (JsonException)
        {
            // Not ours: shown as it came.
        }

        int exit = code switch
        {
            "no_offer" or "no_relay" or "provider_lost" or "truncated" or "declined" or "chain_unavailable" => ExitCode.Network,
            "model_not_found" => ExitCode.NotFound,
            "no_funds" or "spend_limit" or "overcharged" => ExitCode.Payment,
            "attestation_refused" or "tier_refused" => ExitCode.AttestationRefused,
            "timeout" => ExitCode.TimedOut,
            _ => status is >= 400 and < 500 ? ExitCode.Usage : ExitCode.CheckFailed,
        };
        return new CliException(exit, message);
    }
}

/// <summary>One answer with its figures.</summary>
internal sealed record ChatResult(string Answer, string Model, TimeSpan TimeToFirstToken, TimeSpan LastToken, JsonObject? Usage, JsonObject? Cocoon)
{
    /// <summary>Completion tokens after the first over the time between first and last text; over the whole request when the answer came in one burst.</summary>
    public double TokensPerSecond
    {
        get
        {
            double tokens = Usage?["completion_tokens"]?.GetValue<double>() ?? 0;
            double seconds = (LastToken - TimeToFirstToken).TotalSeconds;
            bool burst = seconds < 0.02 || tokens < 2;
            return burst ? tokens / Math.Max(0.001, LastToken.TotalSeconds) : (tokens - 1) / seconds;
        }
    }

    public JsonObject ToJson() => new()
    {
        ["schema"] = ControlJson.Schema,
        ["model"] = Model,
        ["answer"] = Answer,
        ["ttft_ms"] = Math.Round(TimeToFirstToken.TotalMilliseconds, 1),
        ["tokens_per_second"] = Math.Round(TokensPerSecond, 1),
        ["usage"] = Usage?.DeepClone(),
        ["cocoon"] = Cocoon?.DeepClone(),
    };
}
