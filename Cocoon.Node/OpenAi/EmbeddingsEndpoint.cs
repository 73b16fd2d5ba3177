using System.Buffers.Binary;
using System.Text.Json;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary><c>POST /v1/embeddings</c>: vectors of texts, as numbers or as base64 of little-endian 32-bit floats.</summary>
internal sealed class EmbeddingsEndpoint(AskServices services) : AskEndpoint<EmbeddingsEndpoint.Request>(services)
{
    internal sealed record Request(AskRequest Ask, ReadOnlyMemory<byte> Body, bool IsBase64);

    protected override OpenAiError? Read(ReadOnlyMemory<byte> body, ApiCaller caller, out Request? request)
    {
        Request? read = null;
        OpenAiError? error = JsonBody.Read(body, root =>
        {
            if (AskRequest.Read(root, SealedRequest.Types.Endpoint.Embeddings, out AskRequest? ask) is { } wrong)
            {
                return wrong;
            }

            string? encoding = JsonBody.TryField(root, "encoding_format", out JsonElement format) ? JsonBody.Text(root, "encoding_format") ?? format.ValueKind.ToString() : "float";
            if (encoding is not ("float" or "base64"))
            {
                return OpenAiError.BadRequest("'encoding_format' must be float or base64.", "encoding_format");
            }

            // Nothing is generated: the bound on what it may cost has no completion in it.
            read = new Request(ask! with { MaxTokens = 1, Stream = false }, body, encoding == "base64");
            return null;
        });
        request = read;
        return error;
    }

    protected override async Task AnswerAsync(HttpContext context, Request request, ApiCaller caller, CancellationToken cancellationToken)
    {
        AnswerHeaders.SetIgnored(context.Response, request.Ask.Ignored);
        WholeAnswer answer = await CollectAsync(context, request.Ask.ToAsk(request.Body, Defaults, caller), cancellationToken);
        if (answer.Completed is not null)
        {
            AnswerHeaders.Set(context.Response, answer.Completed);
        }

        context.Response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (Embedding vector in answer.Vectors.OrderBy(v => v.Index))
        {
            json.WriteStartObject();
            json.WriteString("object", "embedding");
            json.WriteNumber("index", vector.Index);
            WriteValues(json, vector, request.IsBase64);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("model", request.Ask.Model);
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", answer.Usage.PromptTokens);
        json.WriteNumber("total_tokens", answer.Usage.PromptTokens);
        json.WriteEndObject();
        if (answer.Completed is not null)
        {
            OpenAiJson.WriteCocoon(json, answer.Source, answer.Completed);
        }

        json.WriteEndObject();
        await json.FlushAsync(cancellationToken);
    }

    private static void WriteValues(Utf8JsonWriter json, Embedding vector, bool isBase64)
    {
        if (isBase64)
        {
            byte[] bytes = new byte[vector.Values.Count * sizeof(float)];
            for (int i = 0; i < vector.Values.Count; i++)
            {
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), vector.Values[i]);
            }

            json.WriteBase64String("embedding", bytes);
            return;
        }

        json.WriteStartArray("embedding");
        foreach (float value in vector.Values)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}
