using System.Text;
using System.Text.Json;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>A JSON schema (draft 2020-12, the part below) as a grammar of the JSON texts that it accepts.</summary>
/// <remarks>
/// Supported: <c>type</c> (also lists), <c>enum</c>, <c>const</c>, <c>properties</c>, <c>required</c>, <c>additionalProperties</c>,
/// <c>minProperties</c> and <c>maxProperties</c> of maps, <c>items</c>, <c>prefixItems</c>, <c>minItems</c>, <c>maxItems</c>,
/// <c>minLength</c>, <c>maxLength</c>, <c>pattern</c>, <c>format</c>, <c>minimum</c>, <c>maximum</c> and the exclusive forms,
/// <c>anyOf</c>, <c>oneOf</c> (as <c>anyOf</c>), <c>allOf</c> (of objects), <c>$ref</c> within the schema, <c>$defs</c>. Annotations and
/// unknown keywords are ignored; a keyword that is known and cannot be kept is an error that names its place.
/// Members come in the schema's order. An object that does not speak of <c>additionalProperties</c> gets none.
/// </remarks>
internal sealed partial class JsonSchemaGrammar
{
    public const int MaxSchemaBytes = 256 << 10;

    /// <summary>Of all objects together, as OpenAI's structured outputs allow.</summary>
    public const int MaxProperties = 5000;

    /// <summary>Of one object. Any of them may come next, so each is followed in every step until its name is told from the others'.</summary>
    public const int MaxOptional = 1000;

    private const int MaxDepth = 64;
    private const int MaxNodes = 20_000;

    private static readonly string[] Unsupported =
    [
        "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "patternProperties", "propertyNames",
        "unevaluatedProperties", "unevaluatedItems", "contains", "minContains", "maxContains", "uniqueItems", "multipleOf", "$dynamicRef", "$recursiveRef",
    ];

    private static readonly string[] AllTypes = ["object", "array", "string", "number", "boolean", "null"];

    private readonly GrammarBuilder _builder;
    private readonly JsonRules _json;
    private readonly JsonElement _root;
    private readonly Dictionary<string, Reference> _references = new(StringComparer.Ordinal);
    private readonly Dictionary<string, JsonElement> _targets = new(StringComparer.Ordinal);
    private int _depth;
    private int _nodes;
    private int _properties;

    private JsonSchemaGrammar(GrammarBuilder builder, JsonElement root)
    {
        _builder = builder;
        _json = new JsonRules(builder);
        _root = root;
    }

    /// <summary>GBNF text for answers that the schema accepts.</summary>
    /// <exception cref="GrammarException">Not a schema, outside the supported part, or nothing can satisfy it.</exception>
    public static string Compile(JsonElement schema)
    {
        GrammarBuilder builder = new();
        return builder.Write(Add(builder, schema));
    }

    /// <summary>GBNF text for any JSON object.</summary>
    public static string AnyObject()
    {
        GrammarBuilder builder = new();
        return builder.Write(new JsonRules(builder).Object);
    }

    /// <summary>The schema as part of a larger grammar.</summary>
    /// <inheritdoc cref="Compile" path="/exception"/>
    public static GrammarNode Add(GrammarBuilder builder, JsonElement schema)
    {
        if (schema.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
        {
            throw new GrammarException("", "a schema must be an object");
        }

        if (Encoding.UTF8.GetByteCount(schema.GetRawText()) > MaxSchemaBytes)
        {
            throw new GrammarException("", $"a schema has at most {MaxSchemaBytes} bytes");
        }

        return new JsonSchemaGrammar(builder, schema).Schema(schema, "");
    }

    private GrammarNode Schema(JsonElement schema, string at)
    {
        if (++_depth > MaxDepth || ++_nodes > MaxNodes)
        {
            throw new GrammarException(at, "the schema is too deep or too large");
        }

        try
        {
            return schema.ValueKind switch
            {
                JsonValueKind.True => _json.Value,
                JsonValueKind.False => OneOf(),
                JsonValueKind.Object => ObjectSchema(schema, at),
                _ => throw new GrammarException(at, "a schema must be an object"),
            };
        }
        finally
        {
            _depth--;
        }
    }

    private GrammarNode ObjectSchema(JsonElement schema, string at)
    {
        foreach (string keyword in Unsupported)
        {
            if (schema.TryGetProperty(keyword, out JsonElement value) && !IsNeutral(keyword, value))
            {
                throw new GrammarException($"{at}/{keyword}", $"{keyword} is not supported");
            }
        }

        if (schema.TryGetProperty("$ref", out JsonElement reference))
        {
            return Follow(reference, at);
        }

        if (schema.TryGetProperty("const", out JsonElement constant))
        {
            return Exact(constant);
        }

        if (schema.TryGetProperty("enum", out JsonElement values))
        {
            return Enumeration(schema, values, at);
        }

        foreach (string keyword in (ReadOnlySpan<string>)["anyOf", "oneOf"])
        {
            if (schema.TryGetProperty(keyword, out JsonElement alternatives))
            {
                return AnyOf(schema, keyword, alternatives, at);
            }
        }

        return schema.TryGetProperty("allOf", out JsonElement all)
            ? AllOf(schema, all, at)
            : OneOf([.. Types(schema, at).Select(type => OfType(type, schema, at))]);
    }

    private static bool IsNeutral(string keyword, JsonElement value) => keyword switch
    {
        "uniqueItems" => value.ValueKind == JsonValueKind.False,
        "multipleOf" => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double step) && step == 1,
        "unevaluatedProperties" or "unevaluatedItems" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        _ => false,
    };

    private GrammarNode OfType(string type, JsonElement schema, string at) => type switch
    {
        "object" => Object(schema, at),
        "array" => Array(schema, at),
        "string" => String(schema, at),
        "integer" => Number(schema, at, isInteger: true),
        "number" => Number(schema, at, isInteger: schema.TryGetProperty("multipleOf", out _)),
        "boolean" => JsonRules.Boolean,
        "null" => JsonRules.Null,
        _ => throw new GrammarException(at + "/type", "type must be one of object, array, string, number, integer, boolean, null"),
    };

    /// <summary>The declared types, else those whose keywords are there, else all.</summary>
    private static string[] Types(JsonElement schema, string at)
    {
        if (schema.TryGetProperty("type", out JsonElement type))
        {
            JsonElement[] listed = type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray()] : [type];
            return listed.Length is > 0 and <= 7 && listed.All(t => t.ValueKind == JsonValueKind.String)
                ? [.. listed.Select(t => t.GetString()!).Distinct()]
                : throw new GrammarException(at + "/type", "type must be a type's name or a list of them");
        }

        bool Has(params ReadOnlySpan<string> keywords)
        {
            foreach (string keyword in keywords)
            {
                if (schema.TryGetProperty(keyword, out _))
                {
                    return true;
                }
            }

            return false;
        }

        return Has("properties", "required", "additionalProperties", "minProperties", "maxProperties") ? ["object"]
            : Has("items", "prefixItems", "minItems", "maxItems") ? ["array"]
            : Has("minLength", "maxLength", "pattern", "format") ? ["string"]
            : Has("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") ? ["number"]
            : AllTypes;
    }

    private static Literal Exact(JsonElement value) => new(JsonSerializer.Serialize(value, JsonRules.Compact));

    private static GrammarNode Enumeration(JsonElement schema, JsonElement values, string at)
    {
        if (values.ValueKind != JsonValueKind.Array || values.GetArrayLength() is 0 or > MaxNodes)
        {
            throw new GrammarException(at + "/enum", "enum must be a list of values");
        }

        string[]? types = schema.TryGetProperty("type", out _) ? Types(schema, at) : null;
        Literal[] possible = [.. values.EnumerateArray().Where(v => types is null || types.Any(t => IsOf(v, t))).Select(Exact).Distinct()];
        return possible.Length > 0 ? OneOf(possible) : throw new GrammarException(at + "/enum", "no value of enum has the schema's type");
    }

    private static bool IsOf(JsonElement value, string type) => value.ValueKind switch
    {
        JsonValueKind.Object => type == "object",
        JsonValueKind.Array => type == "array",
        JsonValueKind.String => type == "string",
        JsonValueKind.Number => type == "number" || (type == "integer" && value.TryGetDouble(out double number) && number == Math.Floor(number)),
        JsonValueKind.Null => type == "null",
        _ => type == "boolean",
    };

    private GrammarNode AnyOf(JsonElement schema, string keyword, JsonElement alternatives, string at)
    {
        if (alternatives.ValueKind != JsonValueKind.Array || alternatives.GetArrayLength() is 0 or > MaxNodes)
        {
            throw new GrammarException($"{at}/{keyword}", $"{keyword} must be a list of schemas");
        }

        if (schema.EnumerateObject().Any(p => IsAssertion(p.Name) && p.Name != keyword && p.Name != "type"))
        {
            throw new GrammarException($"{at}/{keyword}", $"{keyword} beside other conditions is not supported");
        }

        int index = 0;
        return OneOf([.. alternatives.EnumerateArray().Select(a => Schema(a, $"{at}/{keyword}/{index++}"))]);
    }

    private static bool IsAssertion(string keyword) => keyword is
        "type" or "enum" or "const" or "properties" or "required" or "additionalProperties" or "minProperties" or "maxProperties" or "items"
        or "prefixItems" or "minItems" or "maxItems" or "minLength" or "maxLength" or "pattern" or "format" or "minimum" or "maximum"
        or "exclusiveMinimum" or "exclusiveMaximum" or "anyOf" or "oneOf" or "allOf" or "$ref";

    /// <summary>A rule of its own for each place that is referred to, so that schemas may be recursive.</summary>
    private Reference Follow(JsonElement reference, string at)
    {
        if (reference.ValueKind != JsonValueKind.String || reference.GetString() is not { } pointer || !pointer.StartsWith('#'))
        {
            throw new GrammarException(at + "/$ref", "$ref must point into this schema (#/…)");
        }

        if (!_references.TryGetValue(pointer, out Reference? rule))
        {
            JsonElement target = Resolve(pointer, at);
            _references[pointer] = rule = _builder.Reserve(pointer.Split('/')[^1]);
            _builder.Set(rule, Schema(target, pointer[1..]));
        }

        return rule;
    }

    /// <remarks>What was found is kept: to find a member takes as long as its object is wide, and a schema may ask for the same one very often.</remarks>
    private JsonElement Resolve(string pointer, string at)
    {
        if (_targets.TryGetValue(pointer, out JsonElement known))
        {
            return known;
        }

        JsonElement target = _root;
        foreach (string part in pointer.Length == 1 ? [] : pointer[1..].Split('/').Skip(1))
        {
            string name = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            bool found = target.ValueKind switch
            {
                JsonValueKind.Object => target.TryGetProperty(name, out target),
                JsonValueKind.Array => int.TryParse(name, out int index) && index >= 0 && index < target.GetArrayLength() && (target = target[index]).ValueKind != JsonValueKind.Undefined,
                _ => false,
            };
            if (!found)
            {
                throw new GrammarException(at + "/$ref", "$ref points to nothing in this schema");
            }
        }

        return _targets[pointer] = target;
    }

    private static int? Count(JsonElement schema, string keyword, string at)
    {
        if (!schema.TryGetProperty(keyword, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= 0 && number == Math.Floor(number)
            ? (int)Math.Min(number, int.MaxValue)
            : throw new GrammarException($"{at}/{keyword}", $"{keyword} must be a whole number from 0 on");
    }

    private GrammarNode Times(GrammarNode part, int least, int? most, string at)
    {
        if (least > most)
        {
            return OneOf();
        }

        return least <= GrammarBuilder.MaxRepeat && (most ?? 0) <= GrammarBuilder.MaxRepeat
            ? _builder.Times(part, least, most)
            : throw new GrammarException(at, $"more than {GrammarBuilder.MaxRepeat} is not supported");
    }
}
