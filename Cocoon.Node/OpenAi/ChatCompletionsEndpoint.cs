using System.Security.Cryptography;
using System.Text.Json;
using Cocoon.Node.Payments;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary><c>POST /v1/chat/completions</c>, whole or as server-sent events.</summary>
internal sealed partial class ChatCompletionsEndpoint(
    IInferenceClient client, ClientDefaults defaults, TenantSecrets tenants, TimeProvider time, ILogger<ChatCompletionsEndpoint> logger)
{
    public async Task HandleAsync(HttpContext context)
    {
        CancellationToken cancellationToken = context.RequestAborted;
        (OpenAiError? error, ReadOnlyMemory<byte> body) = await RequestBody.ReadAsync(context.Request, cancellationToken);
        ChatRequest? request = null;
        error ??= ChatRequest.TryParse(body, out request);
        if (error is not null)
        {
            await error.WriteAsync(context.Response, cancellationToken);
            return;
        }

        ChatCompletionWriter writer = new(
            "chatcmpl-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12)), time.GetUtcNow().ToUnixTimeSeconds(), request!.Model);
        Ask ask = request.ToAsk(body, defaults, tenants.For(context.Request, request.User)) with { Spender = SpenderKey.Of(context.Request.Headers.Authorization) };
        try
        {
            if (request.Stream)
            {
                await StreamAsync(context, request, ask, writer, cancellationToken);
            }
            else
            {
                await CollectAsync(context, ask, writer, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            Log.ClientLeft(logger);
        }
        catch (InferenceException exception)
        {
            Log.Failed(logger, exception.Failure);
            await WriteFailureAsync(context, OpenAiError.From(exception), cancellationToken);
        }
    }

    private async Task CollectAsync(HttpContext context, Ask ask, ChatCompletionWriter writer, CancellationToken cancellationToken)
    {
        SortedDictionary<uint, ChoiceText> choices = [];
        Usage usage = new();
        AnswerPart.Completed? completed = null;
        await foreach (AnswerPart part in client.AskAsync(ask, cancellationToken))
        {
            switch (part)
            {
                case AnswerPart.Opened opened:
                    writer.SetSource(opened.Source);
                    SetHeaders(context.Response, opened.Source);
                    break;
                case AnswerPart.Text text:
                    Choice(choices, text.Delta.Choice).Add(text.Delta);
                    break;
                case AnswerPart.Ended ended:
                    usage = ended.Finished.Usage ?? usage;
                    foreach (ChoiceEnd end in ended.Finished.Choices)
                    {
                        Choice(choices, end.Choice).FinishReason = end.FinishReason;
                    }

                    break;
                case AnswerPart.Completed last:
                    completed = last;
                    break;
            }
        }

        if (completed is not null)
        {
            context.Response.Headers["x-cocoon-cost-nanoton"] = completed.Cost.CostNanoton.ToString(System.Globalization.CultureInfo.InvariantCulture);
            if (completed.ReceiptId is not null)
            {
                context.Response.Headers["x-cocoon-receipt"] = completed.ReceiptId;
            }
        }

        context.Response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter);
        writer.WriteCompletion(json, [.. choices.Values], usage, completed);
        await json.FlushAsync(cancellationToken);
    }

    private async Task StreamAsync(HttpContext context, ChatRequest request, Ask ask, ChatCompletionWriter writer, CancellationToken cancellationToken)
    {
        using ServerSentEvents events = new(context.Response.BodyWriter);
        HashSet<uint> begun = [];
        bool usage = request.IncludeUsage;
        await foreach (AnswerPart part in client.AskAsync(ask, cancellationToken))
        {
            switch (part)
            {
                case AnswerPart.Opened opened:
                    writer.SetSource(opened.Source);
                    SetHeaders(context.Response, opened.Source);
                    break;
                case AnswerPart.Begun:
                    ServerSentEvents.Start(context.Response);
                    break;
                case AnswerPart.Text text when HasContent(text.Delta):
                    ServerSentEvents.Start(context.Response);
                    if (begun.Add(text.Delta.Choice))
                    {
                        events.Write(json => writer.WriteRoleChunk(json, text.Delta.Choice, usage));
                    }

                    events.Write(json => writer.WriteDeltaChunk(json, text.Delta, usage));
                    await events.FlushAsync(cancellationToken);
                    break;
                case AnswerPart.Ended ended:
                    ServerSentEvents.Start(context.Response);
                    foreach (ChoiceEnd end in ended.Finished.Choices)
                    {
                        if (begun.Add(end.Choice))
                        {
                            events.Write(json => writer.WriteRoleChunk(json, end.Choice, usage));
                        }

                        events.Write(json => writer.WriteFinishChunk(json, end, usage));
                    }

                    if (usage)
                    {
                        events.Write(json => writer.WriteUsageChunk(json, ended.Finished.Usage ?? new Usage()));
                    }

                    await events.FlushAsync(cancellationToken);
                    break;
                case AnswerPart.Completed completed:
                    events.Write(json => writer.WriteCostChunk(json, completed));
                    break;
            }
        }

        events.WriteDone();
        await events.FlushAsync(cancellationToken);
    }

    private static bool HasContent(Delta delta) =>
        delta.Text.Length > 0 || delta.Reasoning.Length > 0 || delta.ToolCall is not null || delta.Logprobs.Count > 0;

    /// <summary>Before the first byte an error has its status; after it, one error event and the end without <c>[DONE]</c>.</summary>
    private static async Task WriteFailureAsync(HttpContext context, OpenAiError error, CancellationToken cancellationToken)
    {
        if (!context.Response.HasStarted)
        {
            context.Response.Headers.Remove("Cache-Control");
            await error.WriteAsync(context.Response, cancellationToken);
            return;
        }

        using ServerSentEvents events = new(context.Response.BodyWriter);
        events.Write(error.Write);
        await events.FlushAsync(cancellationToken);
    }

    private static ChoiceText Choice(SortedDictionary<uint, ChoiceText> choices, uint index)
    {
        if (!choices.TryGetValue(index, out ChoiceText? choice))
        {
            choices.Add(index, choice = new ChoiceText(index));
        }

        return choice;
    }

    private static void SetHeaders(HttpResponse response, AnswerSource source)
    {
        if (response.HasStarted)
        {
            return;
        }

        response.Headers["x-cocoon-tier"] = source.Tier;
        response.Headers["x-cocoon-evidence"] = source.EvidenceKind;
        response.Headers["x-cocoon-provider"] = source.Provider;
        response.Headers["x-cocoon-model-id"] = source.ModelId;
        response.Headers["x-cocoon-model-assurance"] = source.ModelAssurance;
    }

    private static partial class Log
    {
        [LoggerMessage(4001, LogLevel.Debug, "The application left before its answer was complete")]
        public static partial void ClientLeft(ILogger logger);

        [LoggerMessage(4002, LogLevel.Debug, "A chat completion failed: {Failure}")]
        public static partial void Failed(ILogger logger, InferenceFailure failure);
    }
}
