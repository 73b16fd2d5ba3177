using System.Text;
using System.Text.Json;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

internal sealed partial class JsonSchemaGrammar
{
    private readonly record struct Property(string Name, GrammarNode Member, bool IsRequired);

    private GrammarNode Object(JsonElement schema, string at) => Object([(schema, at)], at);

    /// <summary>An object that all of the schemas accept: their properties and requirements together.</summary>
    private GrammarNode Object(List<(JsonElement Schema, string At)> schemas, string at)
    {
        HashSet<string> required = [];
        Dictionary<string, (JsonElement Schema, string At)> declared = new(StringComparer.Ordinal);
        JsonElement? additional = null;
        foreach ((JsonElement schema, string where) in schemas)
        {
            required.UnionWith(Required(schema, where));
            if (schema.TryGetProperty("properties", out JsonElement properties))
            {
                if (properties.ValueKind != JsonValueKind.Object)
                {
                    throw new GrammarException(where + "/properties", "properties must be an object of schemas");
                }

                foreach (JsonProperty property in properties.EnumerateObject())
                {
                    if (!declared.TryAdd(property.Name, (property.Value, $"{where}/properties/{Escape(property.Name)}")))
                    {
                        throw new GrammarException(where + "/properties", "the same property in two parts of allOf is not supported");
                    }
                }
            }

            additional = schema.TryGetProperty("additionalProperties", out JsonElement others) ? others : additional;
        }

        bool isOpen = additional is { ValueKind: not JsonValueKind.False };
        if (required.FirstOrDefault(name => !declared.ContainsKey(name)) is not null)
        {
            // A name that is only required may have any value, unless nothing undeclared is allowed.
            if (additional is { ValueKind: JsonValueKind.False })
            {
                throw new GrammarException(at + "/required", "required names a property that the schema does not allow");
            }

            JsonElement any = isOpen ? additional!.Value : JsonSerializer.SerializeToElement(true);
            foreach (string name in required.Where(name => !declared.ContainsKey(name)))
            {
                declared[name] = (any, at + "/additionalProperties");
            }
        }

        if ((_properties += declared.Count) > MaxProperties)
        {
            throw new GrammarException(at + "/properties", $"a schema has at most {MaxProperties} properties");
        }

        if (declared.Keys.Count(name => !required.Contains(name)) > MaxOptional)
        {
            throw new GrammarException(at + "/required", $"an object has at most {MaxOptional} properties that are not required");
        }

        Property[] members =
        [
            .. declared.Select(d => new Property(
                d.Key, _json.Member(new Literal(JsonRules.Text(d.Key)), Schema(d.Value.Schema, d.Value.At)), required.Contains(d.Key))),
        ];
        GrammarNode? other = isOpen ? Other(additional!.Value, [.. declared.Keys], at) : null;
        return Sized(schemas[0].Schema, members, other, at);
    }

    private GrammarNode Sized(JsonElement schema, Property[] members, GrammarNode? other, string at)
    {
        int least = Count(schema, "minProperties", at) ?? 0;
        int? most = Count(schema, "maxProperties", at);
        if (members.Length > 0 && (least > members.Count(m => m.IsRequired) || most < members.Length || (most is not null && other is not null)))
        {
            throw new GrammarException(at + (least > 0 ? "/minProperties" : "/maxProperties"), "the number of properties can only be bound for maps without named ones");
        }

        if (members.Length > 0)
        {
            return _json.Braced(Members(members, other));
        }

        return other is null
            ? least > 0 ? OneOf() : _json.Braced(Nothing)
            : _json.Braced(Separated(other, least, most, at + "/maxProperties"));
    }

    /// <summary>
    /// Members in order, each optional one there or not. What follows the first one that is there begins with a comma; rule n is what may
    /// come after member n, so the grammar grows with the number of members and not with that of their combinations.
    /// </summary>
    private GrammarNode Members(Property[] members, GrammarNode? other)
    {
        GrammarNode rest = other is null ? Nothing : AnyNumber(InOrder(_json.Comma, other));

        // In reverse, and side by side: one within another would nest as deep as a schema is wide.
        List<GrammarNode> starts = [other is null ? Nothing : Optional(InOrder(other, rest))];
        for (int i = members.Length - 1; i >= 0; i--)
        {
            (_, GrammarNode member, bool isRequired) = members[i];
            if (isRequired)
            {
                starts.Clear();
            }

            starts.Add(InOrder(member, rest));
            GrammarNode further = InOrder(_json.Comma, member);
            rest = _builder.Define("rest", InOrder(isRequired ? further : Optional(further), rest));
        }

        starts.Reverse();
        return OneOf([.. starts]);
    }

    private GrammarNode Separated(GrammarNode item, int least, int? most, string at)
    {
        if (least > most)
        {
            return OneOf();
        }

        if (most == 0)
        {
            return Nothing;
        }

        Reference one = _builder.Define("item", item);
        GrammarNode list = InOrder(one, Times(_builder.Define("more", InOrder(_json.Comma, one)), Math.Max(0, least - 1), most - 1, at));
        return least > 0 ? list : Optional(list);
    }

    private Reference Other(JsonElement schema, string[] taken, string at) =>
        _builder.Define("other", _json.Member(JsonRules.Quoted(NameOtherThan(taken)), Schema(schema, at + "/additionalProperties")));

    /// <summary>Any string but these: along a trie of them until it leaves the trie.</summary>
    private GrammarNode NameOtherThan(string[] names)
    {
        GrammarNode tail = AnyNumber(_json.Char);
        return names.Length == 0 ? tail : Node([.. names.Where(n => !n.EnumerateRunes().Any(r => JsonRules.Escaped.Contains(r.Value)))], 0);

        GrammarNode Node(string[] under, int depth)
        {
            // A pair of surrogates is one character of the grammar.
            IGrouping<int, string>[] next = [.. under.Where(n => n.Length > depth).GroupBy(n => char.ConvertToUtf32(n, depth))];
            CharacterSet free = CharacterSet.All.Except(JsonRules.Escaped).Except(CharacterSet.Of([.. next.Select(g => (g.Key, g.Key))]));
            GrammarNode[] ways =
            [
                InOrder(new Character(free), tail),
                .. next.Select(g => InOrder(new Literal(char.ConvertFromUtf32(g.Key)), Node([.. g], depth + char.ConvertFromUtf32(g.Key).Length))),
            ];
            bool isTaken = under.Any(n => n.Length == depth);
            GrammarNode node = _builder.Define("name", OneOf(ways));
            return isTaken ? node : Optional(node);
        }
    }

    private GrammarNode AllOf(JsonElement schema, JsonElement all, string at)
    {
        if (all.ValueKind != JsonValueKind.Array || all.GetArrayLength() is 0 or > MaxNodes)
        {
            throw new GrammarException(at + "/allOf", "allOf must be a list of schemas");
        }

        if (all.GetArrayLength() == 1 && !schema.EnumerateObject().Any(p => IsAssertion(p.Name) && p.Name is not ("allOf" or "type")))
        {
            return Schema(all[0], at + "/allOf/0");
        }

        List<(JsonElement Schema, string At)> parts = [(schema, at)];
        int index = 0;
        foreach (JsonElement part in all.EnumerateArray())
        {
            JsonElement target = part;
            for (int hops = 0; target.ValueKind == JsonValueKind.Object && target.TryGetProperty("$ref", out JsonElement reference); hops++)
            {
                target = hops < MaxDepth && reference.ValueKind == JsonValueKind.String && reference.GetString() is ['#', ..] and { } pointer
                    ? Resolve(pointer, at)
                    : throw new GrammarException($"{at}/allOf/{index}/$ref", "$ref must point into this schema (#/…)");
            }

            string where = $"{at}/allOf/{index++}";
            if (target.ValueKind != JsonValueKind.Object || Types(target, where) is not ["object"]
                || target.EnumerateObject().Any(p => IsAssertion(p.Name) && p.Name is not ("type" or "properties" or "required" or "additionalProperties")))
            {
                throw new GrammarException(where, "allOf is supported for plain objects only");
            }

            parts.Add((target, where));
        }

        return Object(parts, at);
    }

    private GrammarNode Array(JsonElement schema, string at)
    {
        int least = Count(schema, "minItems", at) ?? 0;
        int? most = Count(schema, "maxItems", at);
        JsonElement items = schema.TryGetProperty("items", out JsonElement declared) ? declared : JsonSerializer.SerializeToElement(true);
        if (!schema.TryGetProperty("prefixItems", out JsonElement prefix) || prefix.ValueKind != JsonValueKind.Array || prefix.GetArrayLength() == 0)
        {
            return items.ValueKind == JsonValueKind.False
                ? least > 0 ? OneOf() : _json.Bracketed(Nothing)
                : _json.Bracketed(Separated(Schema(items, at + "/items"), least, most, at + "/maxItems"));
        }

        // A tuple is given whole: all of its places, and further items only when the schema speaks of them.
        bool isOpen = schema.TryGetProperty("items", out _) && items.ValueKind != JsonValueKind.False;
        int fixedCount = prefix.GetArrayLength();
        if (most < fixedCount || (!isOpen && least > fixedCount))
        {
            throw new GrammarException(at + "/prefixItems", "minItems or maxItems contradicts prefixItems");
        }

        List<GrammarNode> parts = [];
        int index = 0;
        foreach (JsonElement item in prefix.EnumerateArray())
        {
            parts.Add(parts.Count == 0 ? Nothing : _json.Comma);
            parts.Add(Schema(item, $"{at}/prefixItems/{index++}"));
        }

        if (isOpen)
        {
            GrammarNode more = InOrder(_json.Comma, Schema(items, at + "/items"));
            parts.Add(Times(_builder.Define("more", more), Math.Max(0, least - fixedCount), most - fixedCount, at + "/maxItems"));
        }

        return _json.Bracketed(new Sequence([.. parts]));
    }

    private static IEnumerable<string> Required(JsonElement schema, string at)
    {
        if (!schema.TryGetProperty("required", out JsonElement required))
        {
            return [];
        }

        return required.ValueKind == JsonValueKind.Array && required.EnumerateArray().All(r => r.ValueKind == JsonValueKind.String)
            ? required.EnumerateArray().Select(r => r.GetString()!)
            : throw new GrammarException(at + "/required", "required must be a list of names");
    }

    private static string Escape(string name) => new StringBuilder(name).Replace("~", "~0").Replace("/", "~1").ToString();
}
