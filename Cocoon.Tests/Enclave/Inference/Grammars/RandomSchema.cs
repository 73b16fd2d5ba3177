using System.Text.Json.Nodes;

namespace Cocoon.Tests.Enclave.Inference.Grammars;

/// <summary>Random schemas whose every answer is short, and an independent judge of values.</summary>
internal static class RandomSchema
{
    public static JsonObject Make(Random random, int depth = 3) => random.Next(depth > 0 ? 11 : 7) switch
    {
        0 => new JsonObject { ["type"] = "boolean" },
        1 => new JsonObject { ["type"] = "null" },
        2 => Integer(random),
        3 => String(random),
        4 => new JsonObject { ["enum"] = new JsonArray("a", "b \"quoted\"", 3, null, "ünï\\code\n") },
        5 => new JsonObject { ["const"] = new JsonObject { ["k"] = new JsonArray(1, 2) } },
        6 => Number(random),
        7 => new JsonObject { ["anyOf"] = new JsonArray(Make(random, depth - 1), Make(random, depth - 1)) },
        8 => new JsonObject { ["type"] = "array", ["items"] = Make(random, depth - 1), ["minItems"] = random.Next(3), ["maxItems"] = 2 + random.Next(3) },
        _ => Object(random, depth),
    };

    /// <summary>Whether the value is what the schema describes. Knows the keywords used above only.</summary>
    public static bool Accepts(JsonNode schema, JsonNode? value)
    {
        if (schema["const"] is { } constant)
        {
            return JsonNode.DeepEquals(constant, value);
        }

        if (schema["enum"] is JsonArray values)
        {
            return values.Any(v => JsonNode.DeepEquals(v, value));
        }

        if (schema["anyOf"] is JsonArray any)
        {
            return any.Any(s => Accepts(s!, value));
        }

        switch (schema["type"]!.GetValue<string>())
        {
            case "boolean":
                return value?.GetValueKind() is System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False;
            case "null":
                return value is null;
            case "integer" or "number":
                if (value?.GetValueKind() != System.Text.Json.JsonValueKind.Number || !decimal.TryParse(
                    value.ToJsonString(), System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out decimal number))
                {
                    return false;
                }

                return (schema["type"]!.GetValue<string>() == "number" || number == Math.Floor(number))
                    && (schema["minimum"] is not { } low || number >= low.GetValue<int>()) && (schema["maximum"] is not { } high || number <= high.GetValue<int>())
                    && (schema["exclusiveMinimum"] is not { } above || number > above.GetValue<int>())
                    && (schema["exclusiveMaximum"] is not { } below || number < below.GetValue<int>());
            case "string":
                if (value?.GetValueKind() != System.Text.Json.JsonValueKind.String)
                {
                    return false;
                }

                string text = value.GetValue<string>();
                return schema["pattern"] is { } pattern
                    ? System.Text.RegularExpressions.Regex.IsMatch(OneUnitEach(text), pattern.GetValue<string>(), System.Text.RegularExpressions.RegexOptions.ECMAScript)
                    : schema["format"] is not null || (text.EnumerateRunes().Count() is var length && length >= schema["minLength"]!.GetValue<int>() && length <= schema["maxLength"]!.GetValue<int>());
            case "array":
                return value is JsonArray array && array.Count >= schema["minItems"]!.GetValue<int>() && array.Count <= schema["maxItems"]!.GetValue<int>()
                    && array.All(v => Accepts(schema["items"]!, v));
            default:
                JsonObject properties = schema["properties"]!.AsObject();
                return value is JsonObject made
                    && schema["required"]!.AsArray().All(r => made.ContainsKey(r!.GetValue<string>()))
                    && made.All(m => properties[m.Key] is { } property && Accepts(property, m.Value));
        }
    }

    private static JsonObject Integer(Random random)
    {
        int low = random.Next(-2000, 2000);
        return new JsonObject { ["type"] = "integer", ["minimum"] = low, ["maximum"] = low + random.Next(0, 1500) };
    }

    private static JsonObject Number(Random random)
    {
        int low = random.Next(-30, 30);
        JsonObject schema = new() { ["type"] = "number" };
        schema[random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = low;
        schema[random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = low + random.Next(1, 100);
        return schema;
    }

    private static JsonObject String(Random random) => random.Next(4) switch
    {
        0 => new JsonObject { ["type"] = "string", ["pattern"] = new[] { "^[a-f0-9]{4,6}$", "^(ab|\\d+x?)\\.[^a-z\"]{1,3}$", "^\\w[\\s\\S]{0,4}\\\\$" }[random.Next(3)] },
        1 => new JsonObject { ["type"] = "string", ["format"] = new[] { "date", "date-time", "uuid", "ipv4", "email", "duration" }[random.Next(6)] },
        _ => new JsonObject { ["type"] = "string", ["minLength"] = random.Next(4), ["maxLength"] = 4 + random.Next(6) },
    };

    private static JsonObject Object(Random random, int depth)
    {
        JsonObject properties = [];
        JsonArray required = [];
        for (int i = random.Next(5); i > 0; i--)
        {
            string name = new[] { "name", "a \"b\"", "größe", "x", "deep\\er" }[i];
            properties[name] = Make(random, depth - 1);
            if (random.Next(2) == 0)
            {
                required.Add(name);
            }
        }

        return new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required, ["additionalProperties"] = false };
    }

    /// <summary>
    /// JSON schema's patterns count characters, .NET's expressions units of UTF-16: a character of two becomes another of one, which no pattern
    /// here tells apart from it.
    /// </summary>
    private static string OneUnitEach(string text) => string.Concat(text.EnumerateRunes().Select(r => r.IsBmp ? (char)r.Value : '\uE000'));
}
