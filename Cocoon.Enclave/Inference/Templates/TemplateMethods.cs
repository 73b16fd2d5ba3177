namespace Cocoon.Enclave.Inference.Templates;

/// <summary>Python's methods of strings, lists and maps, as far as they change nothing.</summary>
internal static class TemplateMethods
{
    public static TemplateFunction? Find(object? value, string name, TemplateContext context) => value switch
    {
        TemplateString text => OfString(text, name, context),
        TemplateMap map => OfMap(map, name),
        List<object?> list => OfList(list, name, context),
        _ => null,
    };

    private static TemplateFunction? OfString(TemplateString s, string name, TemplateContext context)
    {
        Func<CallArguments, object?>? body = name switch
        {
            "strip" => a => s.Trim(Characters(a), start: true, end: true),
            "lstrip" => a => s.Trim(Characters(a), start: true, end: false),
            "rstrip" => a => s.Trim(Characters(a), start: false, end: true),
            "split" => a => ToList(s.Split(Separator(a), (int)Math.Clamp(a.Integer(1, "maxsplit", -1), -1, int.MaxValue))),
            "rsplit" => a => ToList(SplitFromRight(s, Separator(a), a.Integer(1, "maxsplit", -1))),
            "splitlines" => _ => ToList(SplitLines(s)),
            "partition" => a => Partition(s, a.Text(0, "sep").Text, last: false),
            "rpartition" => a => Partition(s, a.Text(0, "sep").Text, last: true),
            "startswith" => a => AnyOf(a, p => s.Text.StartsWith(p, StringComparison.Ordinal)),
            "endswith" => a => AnyOf(a, p => s.Text.EndsWith(p, StringComparison.Ordinal)),
            "removeprefix" => a => a.Text(0, "prefix") is var p && s.Text.StartsWith(p.Text, StringComparison.Ordinal) ? s.Slice(p.Length, s.Length - p.Length) : s,
            "removesuffix" => a => a.Text(0, "suffix") is var p && s.Text.EndsWith(p.Text, StringComparison.Ordinal) ? s.Slice(0, s.Length - p.Length) : s,
            "replace" => a => s.Replace(a.Text(0, "old").Text, a.Text(1, "new"), (int)Math.Clamp(a.Integer(2, "count", -1), -1, int.MaxValue)),
            "upper" => _ => s.WithText(s.Text.ToUpperInvariant()),
            "lower" => _ => s.WithText(s.Text.ToLowerInvariant()),
            "title" => _ => s.WithText(Title(s.Text)),
            "capitalize" => _ => s.WithText(Capitalize(s.Text)),
            "find" => a => (long)s.Find(a.Text(0, "sub").Text),
            "rfind" => a => (long)s.FindLast(a.Text(0, "sub").Text),
            "count" => a => (long)(a.Text(0, "sub").Text is { Length: > 0 } sub ? s.Split(sub, -1).Count - 1 : s.Length + 1),
            "join" => a => TemplateFilters.Join(ForStatement.Iterate(a.Get(0, "iterable", null)), s, context),
            "isdigit" => _ => s.Length > 0 && s.Text.All(char.IsDigit),
            "isalpha" => _ => s.Length > 0 && s.Text.All(char.IsLetter),
            "isalnum" => _ => s.Length > 0 && s.Text.All(char.IsLetterOrDigit),
            "isspace" => _ => s.Length > 0 && s.Text.All(char.IsWhiteSpace),
            "isupper" => _ => s.Text.Any(char.IsLetter) && !s.Text.Any(char.IsLower),
            "islower" => _ => s.Text.Any(char.IsLetter) && !s.Text.Any(char.IsUpper),
            _ => null,
        };
        return body is null ? null : new TemplateFunction(name, body);
    }

    private static TemplateFunction? OfMap(TemplateMap map, string name)
    {
        Func<CallArguments, object?>? body = name switch
        {
            "get" => a => a.Get(0, "key", null) is TemplateString key && map.TryGet(key.Text, out object? found) ? found : a.Get(1, "default", null),
            "items" => _ => TemplateFilters.Items(map),
            "keys" => _ => map.Items.Select(i => (object?)map.Key(i.Key)).ToList(),
            "values" => _ => map.Items.Select(i => i.Value).ToList(),
            "copy" => _ => map,
            _ => null,
        };
        return body is null ? null : new TemplateFunction(name, body);
    }

    private static TemplateFunction? OfList(List<object?> list, string name, TemplateContext context)
    {
        Func<CallArguments, object?>? body = name switch
        {
            "index" => a => list.FindIndex(i => TemplateValues.Same(i, a.Get(0, "value", null), context)) is >= 0 and var at
                ? (long)at : throw new TemplateException(TemplateErrorCode.Type, "the value is not in the list"),
            "count" => a => (long)list.Count(i => TemplateValues.Same(i, a.Get(0, "value", null), context)),
            "copy" => _ => list.ToList(),
            _ => null,
        };
        return body is null ? null : new TemplateFunction(name, body);
    }

    public static string Title(string text)
    {
        char[] characters = text.ToCharArray();
        for (int i = 0; i < characters.Length; i++)
        {
            characters[i] = i > 0 && char.IsLetter(characters[i - 1]) ? char.ToLowerInvariant(characters[i]) : char.ToUpperInvariant(characters[i]);
        }

        return new string(characters);
    }

    public static string Capitalize(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    private static string? Characters(CallArguments a) => a.Get(0, "chars", null) is TemplateString s ? s.Text : null;

    private static string? Separator(CallArguments a) => a.Get(0, "sep", null) switch
    {
        null => null,
        TemplateString { Length: > 0 } s => s.Text,
        _ => throw new TemplateException(TemplateErrorCode.Type, "a separator is a string that is not empty"),
    };

    private static bool AnyOf(CallArguments a, Func<string, bool> matches) => a.Get(0, "prefix", null) switch
    {
        TemplateString s => matches(s.Text),
        List<object?> list => list.OfType<TemplateString>().Any(s => matches(s.Text)),
        _ => throw new TemplateException(TemplateErrorCode.Type, "a string is missing"),
    };

    private static List<object?> ToList(IEnumerable<TemplateString> parts) => [.. parts];

    private static List<TemplateString> SplitFromRight(TemplateString s, string? separator, long limit)
    {
        if (limit < 0 || separator is null || s.Find(separator) < 0)
        {
            return s.Split(separator, -1);
        }

        List<TemplateString> parts = [];
        limit = Math.Min(limit, TemplateContext.MaxValues);
        int end = s.Length;
        for (long i = 0; i < limit && end > 0; i++)
        {
            int at = s.Text.LastIndexOf(separator, end - 1, StringComparison.Ordinal);
            if (at < 0)
            {
                break;
            }

            parts.Add(s.Slice(at + separator.Length, end - at - separator.Length));
            end = at;
        }

        parts.Add(s.Slice(0, end));
        parts.Reverse();
        return parts;
    }

    private static List<TemplateString> SplitLines(TemplateString s)
    {
        List<TemplateString> lines = s.Split("\n", -1);
        if (lines[^1].Length == 0)
        {
            lines.RemoveAt(lines.Count - 1);
        }

        return [.. lines.Select(l => l.Text.EndsWith('\r') ? l.Slice(0, l.Length - 1) : l)];
    }

    private static List<object?> Partition(TemplateString s, string separator, bool last)
    {
        int at = last ? s.FindLast(separator) : s.Find(separator);
        if (at < 0)
        {
            return last ? [TemplateString.Empty, TemplateString.Empty, s] : [s, TemplateString.Empty, TemplateString.Empty];
        }

        int after = at + separator.Length;
        return [s.Slice(0, at), s.Slice(at, separator.Length), s.Slice(after, s.Length - after)];
    }
}
