using System.Text;
using System.Text.Json;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>Notations of calls that are not JSON, each as a function from a call's text to its name and JSON arguments; <c>null</c>: not such a call.</summary>
internal static class CallNotations
{
    private const int MaxDepth = 64;

    /// <summary>Qwen3-Coder: <c>&lt;function=NAME&gt;&lt;parameter=KEY&gt;value&lt;/parameter&gt;…</c>, values as plain text.</summary>
    /// <param name="isText">Whether the schema says that a parameter of a function is a string.</param>
    public static (string Name, string Arguments)? Xml(string text, Func<string, string, bool> isText)
    {
        const string function = "<function=", parameter = "<parameter=", close = "</parameter>";
        int start = text.IndexOf(function, StringComparison.Ordinal);
        int nameEnd = start < 0 ? -1 : text.IndexOf('>', start);
        if (nameEnd < 0 || !string.IsNullOrWhiteSpace(text[..start]))
        {
            return null;
        }

        string name = text[(start + function.Length)..nameEnd].Trim();
        Dictionary<string, string> values = [];
        for (int at = nameEnd + 1; text.IndexOf(parameter, at, StringComparison.Ordinal) is >= 0 and int next;)
        {
            int keyEnd = text.IndexOf('>', next);
            if (keyEnd < 0)
            {
                return null;
            }

            string key = text[(next + parameter.Length)..keyEnd].Trim();
            int end = text.IndexOf(close, keyEnd, StringComparison.Ordinal);
            int following = text.IndexOf(parameter, keyEnd, StringComparison.Ordinal);
            int stop = end >= 0 ? end : following >= 0 ? following : text.Length;
            string value = text[(keyEnd + 1)..stop];
            value = value.StartsWith('\n') ? value[1..] : value;
            value = value.EndsWith('\n') ? value[..^1] : value;
            values[key] = isText(name, key) || !IsJson(value) ? Quote(value) : value;
            at = stop;
        }

        return (name, Join(values));
    }

    /// <summary>
    /// DeepSeek: <c>function&lt;｜tool▁sep｜&gt;NAME\n```json\n{…}\n```</c> (V3, R1) or <c>NAME&lt;｜tool▁sep｜&gt;{…}</c> (V3.1 and later).
    /// </summary>
    public static (string Name, string Arguments)? DeepSeek(string text)
    {
        const string separator = "<｜tool▁sep｜>", fence = "```";
        int split = text.IndexOf(separator, StringComparison.Ordinal);
        if (split < 0)
        {
            return null;
        }

        string name = text[..split].Trim();
        string rest = text[(split + separator.Length)..];
        int brace = rest.IndexOf('{');
        if (brace < 0)
        {
            return null;
        }

        string before = rest[..brace].Replace(fence + "json", "", StringComparison.Ordinal).Replace(fence, "", StringComparison.Ordinal).Trim();
        string arguments = rest[brace..].TrimEnd();
        arguments = arguments.EndsWith(fence, StringComparison.Ordinal) ? arguments[..^fence.Length].TrimEnd() : arguments;
        return IsJson(arguments) ? (before.Length > 0 ? before : name, arguments) : null;
    }

    /// <summary>Gemma 4: <c>call:NAME{key:&lt;|"|&gt;text&lt;|"|&gt;,other:12}</c>, keys bare, strings between their own quotes.</summary>
    public static (string Name, string Arguments)? Gemma(string text)
    {
        const string call = "call:";
        string trimmed = text.Trim();
        int brace = trimmed.IndexOf('{');
        if (!trimmed.StartsWith(call, StringComparison.Ordinal) || brace < 0)
        {
            return null;
        }

        StringBuilder json = new();
        int at = brace;
        return GemmaValue(trimmed, ref at, json, 0) && string.IsNullOrWhiteSpace(trimmed[at..]) && IsJson(json.ToString())
            ? (trimmed[call.Length..brace].Trim(), json.ToString())
            : null;
    }

    private static bool GemmaValue(string text, ref int at, StringBuilder json, int depth)
    {
        if (depth > MaxDepth || at >= text.Length)
        {
            return false;
        }

        if (text[at] is '{' or '[')
        {
            return GemmaList(text, ref at, json, depth);
        }

        if (TryGemmaText(text, ref at, out string quoted))
        {
            json.Append(Quote(quoted));
            return true;
        }

        int start = at;
        while (at < text.Length && text[at] is not (',' or '}' or ']' or ':'))
        {
            at++;
        }

        string bare = text[start..at].Trim();
        json.Append(IsJson(bare) ? bare : Quote(bare));
        return true;
    }

    private static bool GemmaList(string text, ref int at, StringBuilder json, int depth)
    {
        char open = text[at++], close = open == '{' ? '}' : ']';
        json.Append(open);
        for (bool isFirst = true; at < text.Length; isFirst = false)
        {
            Space(text, ref at);
            if (at < text.Length && text[at] == close)
            {
                at++;
                json.Append(close);
                return true;
            }

            if (!isFirst && (at >= text.Length || text[at++] != ','))
            {
                return false;
            }

            json.Append(isFirst ? "" : ",");
            Space(text, ref at);
            if (open == '{')
            {
                if (!TryGemmaText(text, ref at, out string key))
                {
                    int colon = text.IndexOf(':', at);
                    if (colon < 0)
                    {
                        return false;
                    }

                    key = text[at..colon].Trim();
                    at = colon;
                }

                Space(text, ref at);
                if (at >= text.Length || text[at++] != ':')
                {
                    return false;
                }

                json.Append(Quote(key)).Append(':');
                Space(text, ref at);
            }

            if (!GemmaValue(text, ref at, json, depth + 1))
            {
                return false;
            }
        }

        return false;
    }

    private static bool TryGemmaText(string text, ref int at, out string value)
    {
        const string quote = "<|\"|>";
        value = "";
        foreach (string mark in (ReadOnlySpan<string>)[quote, "\""])
        {
            if (string.CompareOrdinal(text, at, mark, 0, mark.Length) != 0)
            {
                continue;
            }

            int end = text.IndexOf(mark, at + mark.Length, StringComparison.Ordinal);
            if (end < 0)
            {
                return false;
            }

            value = text[(at + mark.Length)..end];
            at = end + mark.Length;
            return true;
        }

        return false;
    }

    private static void Space(string text, ref int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
        {
            at++;
        }
    }

    private static string Join(Dictionary<string, string> values) => "{" + string.Join(", ", values.Select(v => Quote(v.Key) + ": " + v.Value)) + "}";

    private static string Quote(string text) => JsonSerializer.Serialize(text, JsonText.Options);

    private static bool IsJson(string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
