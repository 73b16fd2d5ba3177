using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using Cocoon.Node.EventStreams;
using Cocoon.Node.Sessions;

namespace Cocoon.Node.OpenAi.Responses;

/// <summary>
/// <c>POST /v1/responses</c>, whole or as events, and <c>GET</c> and <c>DELETE /v1/responses/{id}</c>. It is a form of chat: the request is
/// rewritten here, and everything that computes happens in the enclave.
/// </summary>
internal sealed class ResponsesEndpoint(AskServices services, ResponseStore store, ApiKeyGate gate) : AskEndpoint<ResponsesRequest>(services)
{
    public async Task RetrieveAsync(HttpContext context, string id)
    {
        (OpenAiError? error, ApiCaller? caller) = gate.Admit(context);
        byte[]? response = caller is null ? null : store.Response(caller.Identity, id);
        if ((error ?? (response is null ? NotFound() : null)) is { } refused)
        {
            await refused.WriteAsync(context.Response, context.RequestAborted);
            return;
        }

        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(response, context.RequestAborted);
    }

    public async Task DeleteAsync(HttpContext context, string id)
    {
        (OpenAiError? error, ApiCaller? caller) = gate.Admit(context);
        if ((error ?? (store.Delete(caller!.Identity, id) ? null : NotFound())) is { } refused)
        {
            await refused.WriteAsync(context.Response, context.RequestAborted);
            return;
        }

        context.Response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", "response");
        json.WriteBoolean("deleted", true);
        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted);
    }

    protected override OpenAiError? Read(ReadOnlyMemory<byte> body, ApiCaller caller, out ResponsesRequest? request)
    {
        ResponsesRequest? read = null;
        OpenAiError? error = JsonBody.Read(body, root => ResponsesRequest.Read(root, id => store.Messages(caller.Identity, id), out read));
        request = read;
        return error;
    }

    protected override async Task AnswerAsync(HttpContext context, ResponsesRequest request, ApiCaller caller, CancellationToken cancellationToken)
    {
        string id = "resp_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));
        long created = Time.GetUtcNow().ToUnixTimeSeconds();
        Ask ask = request.Ask.ToAsk(request.Body, Defaults, caller);
        AnswerHeaders.SetIgnored(context.Response, request.Ask.Ignored);
        if (request.Ask.Stream)
        {
            await StreamAsync(context, id, created, request, ask, caller, cancellationToken);
            return;
        }

        ResponseBuilder builder = new(id, created, request, tell: null);
        await foreach (AnswerPart part in Client.AskAsync(ask, cancellationToken))
        {
            switch (part)
            {
                case AnswerPart.Opened opened:
                    AnswerHeaders.Set(context.Response, opened.Source);
                    break;
                case AnswerPart.Completed completed:
                    AnswerHeaders.Set(context.Response, completed);
                    break;
            }

            builder.Add(part);
        }

        byte[] response = Keep(request, caller, id, builder);
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(response, cancellationToken);
    }

    private async Task StreamAsync(
        HttpContext context, string id, long created, ResponsesRequest request, Ask ask, ApiCaller caller, CancellationToken cancellationToken)
    {
        using ServerSentEvents events = new(context.Response.BodyWriter, Time);
        ResponseBuilder builder = new(id, created, request, (type, write) => events.Write(write, type));
        bool begun = false;
        try
        {
            await foreach (AnswerPart part in StreamAsync(context, ask, events, cancellationToken))
            {
                // Nothing is sent before the model is at work, so that a refusal still has its status.
                if (!begun && part is AnswerPart.Text or AnswerPart.Ended)
                {
                    begun = true;
                    ServerSentEvents.Start(context.Response);
                    builder.Begin();
                }

                builder.Add(part);
                if (part is AnswerPart.Text or AnswerPart.Ended)
                {
                    await events.FlushAsync(cancellationToken);
                }
            }
        }
        catch (InferenceException exception) when (begun)
        {
            builder.Fail(OpenAiError.From(exception));
            await events.FlushAsync(cancellationToken);
            return;
        }

        Keep(request, caller, id, builder);
        builder.End();
        await events.FlushAsync(cancellationToken);
    }

    private byte[] Keep(ResponsesRequest request, ApiCaller caller, string id, ResponseBuilder builder)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            builder.Write(json);
        }

        byte[] response = buffer.WrittenSpan.ToArray();
        if (request.Stores)
        {
            store.Add(caller.Identity, id, builder.Conversation(), response);
        }

        return response;
    }

    private static OpenAiError NotFound() => new(
        StatusCodes.Status404NotFound, "invalid_request_error", "not_found", "id", "This response is not kept here (responses live in memory, the newest ones of each key).");
}
