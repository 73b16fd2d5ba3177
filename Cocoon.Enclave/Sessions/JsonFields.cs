using System.Text.Json;

namespace Cocoon.Enclave.Sessions;

/// <summary>Typed access to optional request fields; <c>null</c> counts as absent, a wrong type or range names the field.</summary>
internal static class JsonFields
{
    public static bool TryField(this JsonElement parent, string name, out JsonElement value) =>
        parent.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    public static double? Number(this JsonElement parent, string name, double minimum, double maximum)
    {
        if (!parent.TryField(name, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= minimum && number <= maximum
            ? number
            : throw new OpenAiRequestException(FormattableString.Invariant($"'{name}' must be a number from {minimum} to {maximum}."), name);
    }

    public static long? Integer(this JsonElement parent, string name, long minimum, long maximum)
    {
        if (!parent.TryField(name, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= minimum && number <= maximum
            ? number
            : throw new OpenAiRequestException(FormattableString.Invariant($"'{name}' must be a whole number from {minimum} to {maximum}."), name);
    }

    public static bool? Boolean(this JsonElement parent, string name)
    {
        if (!parent.TryField(name, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw new OpenAiRequestException($"'{name}' must be true or false.", name),
        };
    }

    public static string? Text(this JsonElement parent, string name, string? param = null)
    {
        if (!parent.TryField(name, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : throw new OpenAiRequestException($"'{param ?? name}' must be a string.", param ?? name);
    }
}
