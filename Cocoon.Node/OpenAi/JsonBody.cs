using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace Cocoon.Node.OpenAi;

/// <summary>Reads a request body as one JSON object. Bounds: depth 64, no name twice, Unicode throughout.</summary>
internal static class JsonBody
{
    private const int MaxDepth = 64;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false };

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A body that is sent on: letters stay letters, six bytes for each would cost twice or thrice the room of the sealed request.</summary>
    public static byte[] Write(JsonObject body) => JsonSerializer.SerializeToUtf8Bytes(body, Plain);

    /// <summary>Runs <paramref name="read"/> on the object; errors name a place, never a value of the body.</summary>
    public static OpenAiError? Read(ReadOnlyMemory<byte> body, Func<JsonElement, OpenAiError?> read)
    {
        if (!Utf8.IsValid(body.Span))
        {
            return OpenAiError.BadRequest("The body is not UTF-8.", code: "invalid_json");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(body, Options);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? read(document.RootElement)
                : OpenAiError.BadRequest("The body must be a JSON object.", code: "invalid_json");
        }
        catch (JsonException exception)
        {
            // The parser's own message can name a value of the body.
            string place = $" (line {exception.LineNumber + 1}, byte {exception.BytePositionInLine})";
            string what = exception.LineNumber is null ? "The body holds an object with the same name twice."
                : IsCutOff(body.Span) ? $"The body is not valid JSON: it ends too early{place}."
                : exception.Message.Contains("maximum configured depth", StringComparison.Ordinal) ? $"The body is nested deeper than {MaxDepth} levels{place}."
                : $"The body is not valid JSON{place}.";
            return OpenAiError.BadRequest(what, code: "invalid_json");
        }
        catch (InvalidOperationException)
        {
            // An escape that names half a surrogate pair.
            return OpenAiError.BadRequest("The body holds text that is not Unicode.", code: "invalid_json");
        }
    }

    /// <summary>All of it would be JSON, if only it went on.</summary>
    private static bool IsCutOff(ReadOnlySpan<byte> body)
    {
        Utf8JsonReader reader = new(body, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
        try
        {
            while (reader.Read())
            {
            }
        }
        catch (JsonException)
        {
            return false;
        }

        return true;
    }

    /// <summary><c>false</c> when the field is there and no boolean; absent and <c>null</c> count as false.</summary>
    public static bool TryBoolean(JsonElement parent, string name, out bool value)
    {
        value = false;
        if (!TryField(parent, name, out JsonElement element))
        {
            return true;
        }

        value = element.ValueKind == JsonValueKind.True;
        return element.ValueKind is JsonValueKind.True or JsonValueKind.False;
    }

    public static bool TryField(JsonElement parent, string name, out JsonElement value) =>
        parent.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    public static string? Text(JsonElement parent, string name) =>
        TryField(parent, name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
