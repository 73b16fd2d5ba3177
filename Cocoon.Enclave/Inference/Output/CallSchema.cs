using System.Text.Json;
using System.Text.Json.Nodes;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>The JSON schema of a call to one of some functions, for output that must be a call.</summary>
internal static class CallSchema
{
    /// <param name="argumentsKey"><c>arguments</c> or <c>parameters</c>, as the family writes it.</param>
    /// <param name="isArray">An array of one to <paramref name="most"/> calls instead of one object.</param>
    public static JsonElement Create(IReadOnlyList<ChatTool> tools, string argumentsKey, bool isArray, int most)
    {
        JsonObject definitions = [];
        JsonArray calls = [.. tools.Select((tool, i) => Call(tool, argumentsKey, i, definitions))];
        JsonObject call = calls.Count == 1 ? calls[0]!.DeepClone().AsObject() : new JsonObject { ["anyOf"] = calls };
        JsonObject schema = isArray
            ? new JsonObject { ["type"] = "array", ["items"] = call, ["minItems"] = 1, ["maxItems"] = most }
            : call;
        if (definitions.Count > 0)
        {
            schema["$defs"] = definitions;
        }

        return JsonSerializer.SerializeToElement(schema);
    }

    private static JsonObject Call(ChatTool tool, string argumentsKey, int index, JsonObject definitions)
    {
        JsonObject parameters = tool.Parameters is { } given ? JsonObject.Create(given)! : new JsonObject { ["type"] = "object" };
        parameters = parameters.DeepClone().AsObject();
        string prefix = $"t{index}_";
        foreach (string key in (ReadOnlySpan<string>)["$defs", "definitions"])
        {
            if (parameters[key] is JsonObject own)
            {
                foreach ((string name, JsonNode? definition) in own)
                {
                    definitions[prefix + name] = definition?.DeepClone();
                }
            }

            parameters.Remove(key);
        }

        Rename(parameters, prefix, 0);
        foreach (JsonNode? definition in definitions.Where(d => d.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(d => d.Value))
        {
            Rename(definition, prefix, 0);
        }

        return new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject { ["name"] = new JsonObject { ["const"] = tool.Name }, [argumentsKey] = parameters },
            ["required"] = new JsonArray("name", argumentsKey),
            ["additionalProperties"] = false,
        };
    }

    /// <summary>A function's references to its own definitions, which now stand at the root under other names.</summary>
    private static void Rename(JsonNode? node, string prefix, int depth)
    {
        if (depth > 64)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, "a tool's schema is nested too deeply");
        }

        switch (node)
        {
            case JsonObject map:
                if (map["$ref"] is JsonValue value && value.TryGetValue(out string? target))
                {
                    foreach (string root in (ReadOnlySpan<string>)["#/$defs/", "#/definitions/"])
                    {
                        if (target.StartsWith(root, StringComparison.Ordinal))
                        {
                            map["$ref"] = "#/$defs/" + prefix + target[root.Length..];
                        }
                    }
                }

                foreach (JsonNode? child in map.Select(e => e.Value).ToList())
                {
                    Rename(child, prefix, depth + 1);
                }

                break;
            case JsonArray list:
                foreach (JsonNode? child in list)
                {
                    Rename(child, prefix, depth + 1);
                }

                break;
        }
    }
}
