using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.EventStreams;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>
/// <c>POST /v1/completions</c>, the older endpoint: text or token ids go on. Several prompts are asked one after the other, each sealed
/// and paid by itself.
/// </summary>
internal sealed class CompletionsEndpoint(AskServices services) : AskEndpoint<CompletionsEndpoint.Request>(services)
{
    private const int MaxPrompts = 32;

    /// <param name="Bodies">One request per prompt.</param>
    /// <param name="Echoes">Text shown before each answer; empty strings when no echo is asked for.</param>
    internal sealed record Request(AskRequest Ask, IReadOnlyList<ReadOnlyMemory<byte>> Bodies, IReadOnlyList<string> Echoes);

    protected override OpenAiError? Read(ReadOnlyMemory<byte> body, ApiCaller caller, out Request? request)
    {
        Request? read = null;
        OpenAiError? error = JsonBody.Read(body, root => Read(root, body, out read));
        request = read;
        return error;
    }

    protected override async Task AnswerAsync(HttpContext context, Request request, ApiCaller caller, CancellationToken cancellationToken)
    {
        CompletionWriter writer = new(
            "cmpl-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12)), Time.GetUtcNow().ToUnixTimeSeconds(), request.Ask.Model);
        AnswerHeaders.SetIgnored(context.Response, request.Ask.Ignored);
        if (request.Ask.Stream)
        {
            await StreamAsync(context, request, caller, writer, cancellationToken);
            return;
        }

        List<WholeAnswer> answers = [];
        foreach (ReadOnlyMemory<byte> body in request.Bodies)
        {
            answers.Add(await CollectAsync(context, request.Ask.ToAsk(body, Defaults, caller), cancellationToken));
        }

        writer.SetSource(answers[^1].Source);
        if (Sum(answers) is { } completed)
        {
            AnswerHeaders.Set(context.Response, completed);
        }

        context.Response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter);
        writer.WriteCompletion(json, answers, request.Echoes, request.Ask.Choices, Sum(answers));
        await json.FlushAsync(cancellationToken);
    }

    private static OpenAiError? Read(JsonElement root, ReadOnlyMemory<byte> body, out Request? request)
    {
        request = null;
        if (AskRequest.Read(root, SealedRequest.Types.Endpoint.Completions, out AskRequest? ask) is { } error)
        {
            return error;
        }

        if (!JsonBody.TryBoolean(root, "echo", out bool echo))
        {
            return OpenAiError.BadRequest("'echo' must be a boolean.", "echo");
        }

        JsonElement prompt = root.GetProperty("prompt");
        JsonElement[] prompts = prompt.ValueKind == JsonValueKind.Array && prompt.GetArrayLength() > 0 && prompt[0].ValueKind is JsonValueKind.String or JsonValueKind.Array
            ? [.. prompt.EnumerateArray()]
            : [prompt];
        if (prompts.Length > MaxPrompts || prompts.Any(p => p.ValueKind is not (JsonValueKind.String or JsonValueKind.Array)))
        {
            return OpenAiError.BadRequest($"'prompt' must be a text, an array of token ids, or an array of up to {MaxPrompts} of either.", "prompt");
        }

        if (echo && (prompts.Any(p => p.ValueKind != JsonValueKind.String) || JsonBody.TryField(root, "logprobs", out _)))
        {
            return OpenAiError.BadRequest("'echo' is supported for text prompts without 'logprobs' only.", "echo", "unsupported_parameter");
        }

        // OpenAI's default of this endpoint, which the enclave keeps too.
        ask = ask! with { MaxTokens = ask!.MaxTokens ?? 16 };
        request = new Request(
            ask,
            prompts.Length == 1 ? [body] : [.. prompts.Select(p => WithPrompt(root, p))],
            [.. prompts.Select(p => echo ? p.GetString()! : "")]);
        return null;
    }

    private static ReadOnlyMemory<byte> WithPrompt(JsonElement root, JsonElement prompt)
    {
        JsonObject one = JsonObject.Create(root)!;
        one["prompt"] = JsonNode.Parse(prompt.GetRawText());
        return JsonBody.Write(one);
    }

    private async Task StreamAsync(HttpContext context, Request request, ApiCaller caller, CompletionWriter writer, CancellationToken cancellationToken)
    {
        using ServerSentEvents events = new(context.Response.BodyWriter, Time);
        List<WholeAnswer> ends = [];
        for (int i = 0; i < request.Bodies.Count; i++)
        {
            uint first = (uint)i * request.Ask.Choices;
            HashSet<uint> begun = [];
            WholeAnswer end = new();
            ends.Add(end);
            await foreach (AnswerPart part in StreamAsync(context, request.Ask.ToAsk(request.Bodies[i], Defaults, caller), events, cancellationToken))
            {
                switch (part)
                {
                    case AnswerPart.Opened opened:
                        writer.SetSource(opened.Source);
                        break;
                    case AnswerPart.Text { Delta: var delta } when delta.Text.Length > 0 || delta.Logprobs.Count > 0:
                        ServerSentEvents.Start(context.Response);
                        string echo = begun.Add(delta.Choice) ? request.Echoes[i] : "";
                        events.Write(json => writer.WriteChunk(json, first + delta.Choice, echo + delta.Text, delta.Logprobs, null));
                        await events.FlushAsync(cancellationToken);
                        break;
                    case AnswerPart.Ended ended:
                        end.Add(part);
                        ServerSentEvents.Start(context.Response);
                        foreach (ChoiceEnd choice in ended.Finished.Choices)
                        {
                            string rest = begun.Add(choice.Choice) ? request.Echoes[i] : "";
                            events.Write(json => writer.WriteChunk(json, first + choice.Choice, rest, [], choice.FinishReason));
                        }

                        await events.FlushAsync(cancellationToken);
                        break;
                    case AnswerPart.Completed:
                        end.Add(part);
                        break;
                }
            }
        }

        if (request.Ask.IncludeUsage)
        {
            events.Write(json => writer.WriteUsageChunk(json, CompletionWriter.Sum(ends.Select(e => e.Usage))));
        }

        if (Sum(ends) is { } completed)
        {
            events.Write(json => writer.WriteCostChunk(json, completed));
        }

        events.WriteDone();
        await events.FlushAsync(cancellationToken);
    }

    private static AnswerPart.Completed? Sum(IReadOnlyList<WholeAnswer> answers) => answers[^1].Completed is { } last
        ? last with
        {
            Cost = last.Cost with
            {
                CostNanoton = answers.Aggregate(0UL, (sum, a) => sum + (a.Completed?.Cost.CostNanoton ?? 0)),
                Vouchers = answers.Sum(a => a.Completed?.Cost.Vouchers ?? 0),
            },
        }
        : null;
}
