using System.Security.Cryptography;
using System.Text.Json;
using Cocoon.Node.EventStreams;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary><c>POST /v1/chat/completions</c>, whole or as server-sent events.</summary>
internal sealed class ChatCompletionsEndpoint(AskServices services) : AskEndpoint<ChatCompletionsEndpoint.Request>(services)
{
    internal sealed record Request(AskRequest Ask, ReadOnlyMemory<byte> Body);

    protected override OpenAiError? Read(ReadOnlyMemory<byte> body, ApiCaller caller, out Request? request)
    {
        AskRequest? read = null;
        OpenAiError? error = JsonBody.Read(body, root => AskRequest.Read(root, SealedRequest.Types.Endpoint.ChatCompletions, out read));
        request = read is null ? null : new Request(read, body);
        return error;
    }

    protected override async Task AnswerAsync(HttpContext context, Request request, ApiCaller caller, CancellationToken cancellationToken)
    {
        ChatCompletionWriter writer = new(
            "chatcmpl-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12)), Time.GetUtcNow().ToUnixTimeSeconds(), request.Ask.Model);
        Ask ask = request.Ask.ToAsk(request.Body, Defaults, caller);
        AnswerHeaders.SetIgnored(context.Response, request.Ask.Ignored);
        if (request.Ask.Stream)
        {
            await StreamAsync(context, request.Ask.IncludeUsage, ask, writer, cancellationToken);
            return;
        }

        WholeAnswer answer = await CollectAsync(context, ask, cancellationToken);
        writer.SetSource(answer.Source);
        if (answer.Completed is not null)
        {
            AnswerHeaders.Set(context.Response, answer.Completed);
        }

        context.Response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter);
        writer.WriteCompletion(json, answer);
        await json.FlushAsync(cancellationToken);
    }

    private async Task StreamAsync(HttpContext context, bool usage, Ask ask, ChatCompletionWriter writer, CancellationToken cancellationToken)
    {
        using ServerSentEvents events = new(context.Response.BodyWriter, Time);
        HashSet<uint> begun = [];
        await foreach (AnswerPart part in StreamAsync(context, ask, events, cancellationToken))
        {
            switch (part)
            {
                case AnswerPart.Opened opened:
                    writer.SetSource(opened.Source);
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
}
