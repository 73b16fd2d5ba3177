using System.Text.Json;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>What the light client itself needs to know of a chat request; the enclave reads and judges the rest.</summary>
/// <remarks>Bounds: 4 MiB body, JSON depth 64, 4,096 messages.</remarks>
internal sealed record ChatRequest(string Model, bool Stream, bool IncludeUsage, uint? MaxTokens, int Messages, CocoonExtension Cocoon, string? User)
{
    public const int MaxBodyBytes = 4 << 20;
    private const int MaxMessages = 4096;
    private const uint MaxMaxTokens = 1 << 20;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    /// <summary>Reads the fields used here; returns the error to send when the request is malformed.</summary>
    public static OpenAiError? TryParse(ReadOnlyMemory<byte> body, out ChatRequest? request)
    {
        request = null;
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(body, Options);
        }
        catch (JsonException exception)
        {
            // The parser's message names a position and a character class, never a value of the body.
            return OpenAiError.BadRequest($"The body is not valid JSON (line {exception.LineNumber + 1}, byte {exception.BytePositionInLine}).", code: "invalid_json");
        }

        using (document)
        {
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
            {
                return OpenAiError.BadRequest("The body must be a JSON object.", code: "invalid_json");
            }

            if (!root.TryGetProperty("model", out JsonElement model) || model.ValueKind != JsonValueKind.String || model.GetString() is not { Length: > 0 and <= 256 } name)
            {
                return OpenAiError.BadRequest("'model' must be a string that names a model.", "model");
            }

            if (!root.TryGetProperty("messages", out JsonElement messages) || messages.ValueKind != JsonValueKind.Array
                || messages.GetArrayLength() is not (> 0 and <= MaxMessages))
            {
                return OpenAiError.BadRequest($"'messages' must be an array of 1 to {MaxMessages} messages.", "messages");
            }

            if (!TryBool(root, "stream", out bool stream))
            {
                return OpenAiError.BadRequest("'stream' must be a boolean.", "stream");
            }

            bool usage = false;
            if (root.TryGetProperty("stream_options", out JsonElement options) && options.ValueKind != JsonValueKind.Null
                && (options.ValueKind != JsonValueKind.Object || !TryBool(options, "include_usage", out usage)))
            {
                return OpenAiError.BadRequest("'stream_options' must be an object.", "stream_options");
            }

            uint? maxTokens = null;
            foreach (string field in (ReadOnlySpan<string>)["max_tokens", "max_completion_tokens"])
            {
                if (!root.TryGetProperty(field, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
                {
                    continue;
                }

                if (value.ValueKind != JsonValueKind.Number || !value.TryGetUInt32(out uint tokens) || tokens is 0 or > MaxMaxTokens)
                {
                    return OpenAiError.BadRequest($"'{field}' must be an integer from 1 to {MaxMaxTokens}.", field);
                }

                maxTokens = tokens;
            }

            if (CocoonExtension.TryParse(root, out CocoonExtension extension) is { } error)
            {
                return error;
            }

            string? user = root.TryGetProperty("user", out JsonElement userElement) && userElement.ValueKind == JsonValueKind.String ? userElement.GetString() : null;
            request = new ChatRequest(name, stream, usage, maxTokens, messages.GetArrayLength(), extension, user);
            return null;
        }
    }

    private static bool TryBool(JsonElement parent, string name, out bool value)
    {
        value = false;
        if (!parent.TryGetProperty(name, out JsonElement element) || element.ValueKind == JsonValueKind.Null)
        {
            return true;
        }

        value = element.ValueKind == JsonValueKind.True;
        return element.ValueKind is JsonValueKind.True or JsonValueKind.False;
    }

    public Ask ToAsk(ReadOnlyMemory<byte> body, ClientDefaults defaults, byte[] tenantSecret) => new(
        SealedRequest.Types.Endpoint.ChatCompletions,
        Model,
        body,
        MaxTokens,
        Messages,
        Cocoon.Shape ?? defaults.Shape,
        Cocoon.AllowOpenTier ?? defaults.AllowOpenTier,
        Cocoon.Provider,
        tenantSecret,
        Cocoon.Relays);
}

/// <summary>What holds when a request says nothing.</summary>
internal sealed record ClientDefaults(Shape Shape, bool AllowOpenTier);
