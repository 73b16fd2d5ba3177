using System.Text.Json;
using Cocoon.Enclave.Inference;

namespace Cocoon.Enclave.Sessions;

/// <summary>The <c>response_format</c> of a request.</summary>
internal static class ResponseFormatReader
{
    /// <returns><c>null</c> for plain text.</returns>
    /// <exception cref="OpenAiRequestException">Malformed, or structure from an engine without grammars.</exception>
    public static OutputConstraint? Read(JsonElement root, EngineCapabilities capabilities)
    {
        const string field = "response_format";
        if (!root.TryField(field, out JsonElement format))
        {
            return null;
        }

        string? type = format.ValueKind == JsonValueKind.Object ? format.Text("type", field + ".type") : null;
        if (type == "text")
        {
            return null;
        }

        if (type is not ("json_object" or "json_schema"))
        {
            throw new OpenAiRequestException("'response_format.type' must be text, json_object or json_schema.", field);
        }

        if (!capabilities.HasFlag(EngineCapabilities.Grammar))
        {
            throw new OpenAiRequestException("This model has no structured output.", field, "unsupported_parameter");
        }

        return type == "json_object" ? new OutputConstraint.JsonObject() : new OutputConstraint.JsonSchema(ReadSchema(format));
    }

    private static JsonElement ReadSchema(JsonElement format)
    {
        const string field = "response_format.json_schema";
        if (!format.TryField("json_schema", out JsonElement named)
            || named.ValueKind != JsonValueKind.Object
            || named.Text("name", field + ".name") is not { Length: > 0 and <= 64 })
        {
            throw new OpenAiRequestException("'response_format.json_schema' needs a name of 1 to 64 characters and a schema.", field);
        }

        named.Boolean("strict");
        if (!named.TryField("schema", out JsonElement schema))
        {
            using JsonDocument anything = JsonDocument.Parse("{}");
            return anything.RootElement.Clone();
        }

        return schema.ValueKind is JsonValueKind.Object
            ? schema.Clone()
            : throw new OpenAiRequestException("'response_format.json_schema.schema' must be a JSON schema.", field + ".schema");
    }
}
