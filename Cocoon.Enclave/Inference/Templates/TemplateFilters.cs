using System.Globalization;

namespace Cocoon.Enclave.Inference.Templates;

/// <summary>Jinja's filters that chat templates use.</summary>
internal static class TemplateFilters
{
    public static object? Apply(string name, object? value, CallArguments a, TemplateContext context)
    {
        switch (name)
        {
            case "trim": return TemplateValues.Text(value, context).Trim(a.Get(0, "chars", null) is TemplateString s ? s.Text : null, start: true, end: true);
            case "upper": return TemplateValues.Text(value, context) is var up ? up.WithText(up.Text.ToUpperInvariant()) : null;
            case "lower": return TemplateValues.Text(value, context) is var low ? low.WithText(low.Text.ToLowerInvariant()) : null;
            case "title": return TemplateValues.Text(value, context) is var title ? title.WithText(TemplateMethods.Title(title.Text)) : null;
            case "capitalize": return TemplateValues.Text(value, context) is var cap ? cap.WithText(TemplateMethods.Capitalize(cap.Text)) : null;
            case "string" or "safe": return TemplateValues.Text(value, context);
            case "escape" or "e" or "forceescape": return Escape(TemplateValues.Text(value, context));
            case "replace": return TemplateValues.Text(value, context).Replace(a.Text(0, "old").Text, a.Text(1, "new"), (int)Math.Clamp(a.Integer(2, "count", -1), -1, int.MaxValue));
            case "indent": return Indent(TemplateValues.Text(value, context), a, context);
            case "length" or "count": return Length(value);
            case "tojson": return TemplateValues.Json(value, Indentation(a), TemplateValues.Truth(a.Get(3, "sort_keys", false)), context);
            case "default" or "d":
                return value is Undefined || (TemplateValues.Truth(a.Get(1, "boolean", false)) && !TemplateValues.Truth(value))
                    ? a.Get(0, "default_value", TemplateString.Empty) : value;
            case "first": return ForStatement.Iterate(value) is { Count: > 0 } f ? f[0] : Undefined.Value;
            case "last": return ForStatement.Iterate(value) is { Count: > 0 } l ? l[^1] : Undefined.Value;
            case "list": return ForStatement.Iterate(value).ToList();
            case "items": return value is Undefined ? [] : Items(value as TemplateMap ?? throw Wrong("items needs a map"));
            case "dictsort": return DictSort(value as TemplateMap ?? throw Wrong("dictsort needs a map"));
            case "join": return Join(Attribute(ForStatement.Iterate(value), a.Get(1, "attribute", null), context), TemplateValues.Text(a.Get(0, "d", TemplateString.Empty), context), context);
            case "reverse": return value is TemplateString text ? TemplateString.Concat(Enumerable.Range(1, text.Length).Select(i => text.Slice(text.Length - i, 1))) : Enumerable.Reverse(ForStatement.Iterate(value)).ToList();
            case "sort": return Sort(ForStatement.Iterate(value), a, context);
            case "unique": return Unique(ForStatement.Iterate(value), context);
            case "map": return Map(ForStatement.Iterate(value), a, context);
            case "select" or "reject": return Select(ForStatement.Iterate(value), a, null, name == "select", context);
            case "selectattr" or "rejectattr": return Select(ForStatement.Iterate(value), a, a.Text(0, "attribute"), name == "selectattr", context);
            case "int": return ToInteger(value, a.Get(0, "default", 0L));
            case "float": return TemplateValues.TryNumber(value, out double d) ? d : value is TemplateString n && double.TryParse(n.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed) ? parsed : a.Get(0, "default", 0.0);
            case "abs": return value is long i ? (object)Math.Abs(Math.Max(i, -long.MaxValue)) : TemplateValues.TryNumber(value, out double x) ? Math.Abs(x) : throw Wrong("abs needs a number");
            case "round": return TemplateValues.TryNumber(value, out double r) ? Math.Round(r, (int)Math.Clamp(a.Integer(0, "precision", 0), 0, 15), MidpointRounding.AwayFromZero) : throw Wrong("round needs a number");
            case "sum": return ForStatement.Iterate(value).Aggregate((object?)0L, Sum);
            case "min": return ForStatement.Iterate(value) is { Count: > 0 } least ? least.Aggregate((p, q) => TemplateValues.Compare(p, q, context) <= 0 ? p : q) : Undefined.Value;
            case "max": return ForStatement.Iterate(value) is { Count: > 0 } most ? most.Aggregate((p, q) => TemplateValues.Compare(p, q, context) >= 0 ? p : q) : Undefined.Value;
            case "wordcount": return (long)TemplateValues.Text(value, context).Split(null, -1).Count;
            case "attr": return MemberExpression.Find(value, a.Text(0, "name"), isAttribute: true, context);
            default: throw new TemplateException(TemplateErrorCode.Syntax, $"filter {name} is not supported");
        }
    }

    public static TemplateString Join(IEnumerable<object?> items, TemplateString separator, TemplateContext context) =>
        TemplateString.Concat(items.SelectMany((item, i) => i == 0 ? (TemplateString[])[TemplateValues.Text(item, context)] : [separator, TemplateValues.Text(item, context)]));

    public static List<object?> Items(TemplateMap map) => [.. map.Items.Select(i => (object?)new List<object?> { map.Key(i.Key), i.Value })];

    private static long Length(object? value) => value switch
    {
        TemplateString s => s.Length,
        List<object?> list => list.Count,
        TemplateMap map => map.Count,
        Undefined => 0,
        _ => throw Wrong("this value has no length"),
    };

    private static int? Indentation(CallArguments a) => a.TryGet(0, "indent", out object? indent) || a.Named.TryGetValue("indent", out indent)
        ? indent is long width ? (int)Math.Clamp(width, 0, 16) : null
        : null;

    private static TemplateString Escape(TemplateString s)
    {
        foreach ((string from, string to) in (ReadOnlySpan<(string, string)>)[("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;")])
        {
            s = s.Replace(from, to, -1);
        }

        return s;
    }

    private static TemplateString Indent(TemplateString s, CallArguments a, TemplateContext context)
    {
        TemplateString pad = a.Get(0, "width", 4L) switch
        {
            TemplateString given => given,
            long width => new string(' ', (int)Math.Clamp(width, 0, 64)),
            _ => throw Wrong("indent needs a width"),
        };
        bool first = TemplateValues.Truth(a.Get(1, "first", false));
        bool blank = TemplateValues.Truth(a.Get(2, "blank", false));
        return Join(s.Split("\n", -1).Select((line, i) => (object?)((i > 0 || first) && (line.Length > 0 || blank) ? pad + line : line)), "\n", context);
    }

    private static List<object?> DictSort(TemplateMap map) =>
        [.. map.Items.OrderBy(i => i.Key, StringComparer.OrdinalIgnoreCase).Select(i => (object?)new List<object?> { map.Key(i.Key), i.Value })];

    private static List<object?> Sort(List<object?> items, CallArguments a, TemplateContext context)
    {
        bool reverse = TemplateValues.Truth(a.Get(0, "reverse", false));
        bool sensitive = TemplateValues.Truth(a.Get(1, "case_sensitive", false));
        object? attribute = a.Get(2, "attribute", null);
        Comparer<object?> comparer = Comparer<object?>.Create((p, q) =>
        {
            context.Step();
            return !sensitive && p is TemplateString s && q is TemplateString t
                ? string.CompareOrdinal(s.Text.ToLowerInvariant(), t.Text.ToLowerInvariant()) : TemplateValues.Compare(p, q, context);
        });
        List<(object? Key, object? Item)> keyed = [.. items.Zip(Attribute(items, attribute, context), (item, key) => (key, item))];
        try
        {
            return [.. (reverse ? keyed.OrderByDescending(k => k.Key, comparer) : keyed.OrderBy(k => k.Key, comparer)).Select(k => k.Item)];
        }
        catch (InvalidOperationException e) when (e.InnerException is TemplateException reason)
        {
            // Sorting wraps what its comparer throws.
            throw new TemplateException(reason.Code, reason.Message);
        }
    }

    private static List<object?> Unique(List<object?> items, TemplateContext context)
    {
        List<object?> unique = [];
        foreach (object? item in items)
        {
            if (!unique.Any(u => TemplateValues.Same(u, item, context)))
            {
                unique.Add(item);
            }
        }

        return unique;
    }

    private static List<object?> Map(List<object?> items, CallArguments a, TemplateContext context)
    {
        if (a.Named.TryGetValue("attribute", out object? attribute))
        {
            return [.. Attribute(items, attribute, context).Select(v => v is Undefined && a.Named.TryGetValue("default", out object? fallback) ? fallback : v)];
        }

        string filter = a.Text(0, "filter").Text;
        CallArguments rest = new(a.Positional.Skip(1).ToList(), a.Named);
        return [.. items.Select(item =>
        {
            context.Step();
            return context.Made(Apply(filter, item, rest, context));
        })];
    }

    private static List<object?> Select(List<object?> items, CallArguments a, TemplateString? attribute, bool wanted, TemplateContext context)
    {
        int at = attribute is null ? 0 : 1;
        string? test = a.Positional.Count > at ? a.Text(at, "test").Text : null;
        CallArguments rest = new(a.Positional.Skip(at + 1).ToList(), a.Named);
        return [.. items.Where(item =>
        {
            context.Step();
            object? value = attribute is null ? item : AttributeOf(item, attribute, context);
            return (test is null ? TemplateValues.Truth(value) : TemplateTests.Check(test, value, rest, context)) == wanted;
        })];
    }

    private static IEnumerable<object?> Attribute(List<object?> items, object? attribute, TemplateContext context) =>
        attribute is null ? items : items.Select(item => AttributeOf(item, attribute, context));

    private static object? AttributeOf(object? item, object? attribute, TemplateContext context)
    {
        if (attribute is not TemplateString path)
        {
            return MemberExpression.Find(item, attribute, isAttribute: false, context);
        }

        foreach (string part in path.Text.Split('.'))
        {
            if (item is Undefined)
            {
                return item;
            }

            item = MemberExpression.Find(item, long.TryParse(part, CultureInfo.InvariantCulture, out long index) ? index : new TemplateString(part), isAttribute: false, context);
        }

        return item;
    }

    private static object? ToInteger(object? value, object? fallback) => value switch
    {
        long l => l,
        bool b => b ? 1L : 0L,
        double d when Math.Abs(d) < long.MaxValue => (long)d,
        TemplateString s when long.TryParse(s.Text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long parsed) => parsed,
        TemplateString s when double.TryParse(s.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out double real) && Math.Abs(real) < long.MaxValue => (long)real,
        _ => fallback,
    };

    private static object? Sum(object? left, object? right) => (left, right) switch
    {
        (long a, long b) => (object)unchecked(a + b),
        _ when TemplateValues.TryNumber(left, out double a) && TemplateValues.TryNumber(right, out double b) => a + b,
        _ => throw Wrong("sum needs numbers"),
    };

    private static TemplateException Wrong(string what) => new(TemplateErrorCode.Type, what);
}
