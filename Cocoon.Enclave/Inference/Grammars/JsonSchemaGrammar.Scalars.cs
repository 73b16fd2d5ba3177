using System.Globalization;
using System.Text.Json;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

internal sealed partial class JsonSchemaGrammar
{
    private const long MostWhole = 9_999_999_999_999_999;

    private GrammarNode String(JsonElement schema, string at)
    {
        int? least = Count(schema, "minLength", at);
        int? most = Count(schema, "maxLength", at);
        bool isMeasured = least > 0 || most is not null;
        if (schema.TryGetProperty("pattern", out JsonElement pattern))
        {
            if (isMeasured || pattern.ValueKind != JsonValueKind.String)
            {
                throw new GrammarException(at + "/pattern", isMeasured ? "pattern beside minLength or maxLength is not supported" : "pattern must be a string");
            }

            return JsonRules.Quoted(new PatternReader(pattern.GetString()!, _builder, _json, at + "/pattern").Read());
        }

        if (schema.TryGetProperty("format", out JsonElement format) && format.ValueKind == JsonValueKind.String
            && StringFormats.Find(format.GetString()!) is { } content)
        {
            return isMeasured
                ? throw new GrammarException(at + "/format", "format beside minLength or maxLength is not supported")
                : JsonRules.Quoted(content);
        }

        return isMeasured ? JsonRules.Quoted(Times(_json.Char, least ?? 0, most, at + "/maxLength")) : _json.String;
    }

    private GrammarNode Number(JsonElement schema, string at, bool isInteger)
    {
        (decimal? low, bool isAbove) = Bound(schema, "minimum", "exclusiveMinimum", at, static (plain, strict) => plain > strict);
        (decimal? high, bool isBelow) = Bound(schema, "maximum", "exclusiveMaximum", at, static (plain, strict) => plain < strict);
        if (low is null && high is null)
        {
            return isInteger ? _json.Integer : _json.Number;
        }

        if (isInteger)
        {
            decimal first = low is { } l ? (isAbove && l == Math.Floor(l) ? l + 1 : Math.Ceiling(l)) : -MostWhole;
            decimal last = high is { } h ? (isBelow && h == Math.Floor(h) ? h - 1 : Math.Floor(h)) : MostWhole;
            return WholeNumbers.Between((long)Math.Max(first, -MostWhole), (long)Math.Min(last, MostWhole));
        }

        if ((low is { } from && from != Math.Floor(from)) || (high is { } to && to != Math.Floor(to)))
        {
            throw new GrammarException(at, "bounds of a number must be whole");
        }

        return Decimals((long)Math.Max(low ?? -MostWhole, -MostWhole), isAbove, (long)Math.Min(high ?? MostWhole, MostWhole), isBelow);
    }

    /// <summary>Whole part and fraction apart: between whole bounds every fraction fits but at the ends.</summary>
    private static GrammarNode Decimals(long low, bool isAbove, long high, bool isBelow)
    {
        List<GrammarNode> ways = [];
        if (high >= 0)
        {
            // From max(low, 0) upwards.
            bool fromInside = low >= 0;
            AddUpwards(ways, Math.Max(low, 0), fromInside && isAbove, high, isBelow, "");
        }

        if (low < 0)
        {
            // The negative side is the positive one mirrored.
            bool toInside = high <= 0;
            AddUpwards(ways, toInside ? -high : 0, toInside && isBelow, -low, isAbove, "-");
        }

        return OneOf([.. ways]);
    }

    /// <summary>Numbers from <paramref name="low"/> to <paramref name="high"/>, both not negative, behind a sign.</summary>
    private static void AddUpwards(List<GrammarNode> ways, long low, bool isAbove, long high, bool isBelow, string sign)
    {
        GrammarNode zeros = Optional(InOrder(new Literal("."), new Repeat(new Character(CharacterSet.Of("0")), 1, 16)));
        GrammarNode positive = InOrder(
            new Literal("."), new Repeat(new Character(CharacterSet.Of("0")), 0, 8), new Character(CharacterSet.Of(('1', '9'))), new Repeat(new Character(CharacterSet.Digits), 0, 8));
        if (low > high)
        {
            return;
        }

        if (low < high)
        {
            if (isAbove)
            {
                ways.Add(InOrder(new Literal(sign + low.ToString(CultureInfo.InvariantCulture)), positive));
            }

            long first = isAbove ? low + 1 : low;
            if (first < high)
            {
                ways.Add(InOrder(new Literal(sign), WholeNumbers.Between(first, high - 1), Optional(JsonRules.Fraction)));
            }
        }

        if (!isBelow && (low < high || !isAbove))
        {
            ways.Add(InOrder(new Literal(sign + high.ToString(CultureInfo.InvariantCulture)), zeros));
        }
    }

    private static (decimal? Value, bool IsExclusive) Bound(JsonElement schema, string inclusive, string exclusive, string at, Func<decimal, decimal, bool> narrower)
    {
        decimal? plain = Limit(schema, inclusive, at);
        decimal? strict = Limit(schema, exclusive, at);
        return strict is { } s && (plain is not { } p || !narrower(p, s)) ? (strict, true) : (plain, false);
    }

    private static decimal? Limit(JsonElement schema, string keyword, string at)
    {
        if (!schema.TryGetProperty(keyword, out JsonElement value))
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || !double.IsFinite(number))
        {
            throw new GrammarException($"{at}/{keyword}", $"{keyword} must be a number");
        }

        return value.TryGetDecimal(out decimal exact) && Math.Abs(exact) < MostWhole ? exact : (decimal)Math.Clamp(number, -MostWhole, MostWhole);
    }
}
