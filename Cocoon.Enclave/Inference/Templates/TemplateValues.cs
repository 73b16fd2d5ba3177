using System.Globalization;
using System.Text;

namespace Cocoon.Enclave.Inference.Templates;

/// <summary>The value of a name that has none: prints nothing, is false, has no attributes.</summary>
internal sealed class Undefined
{
    public static readonly Undefined Value = new();

    private Undefined()
    {
    }
}

/// <summary>An ordered map with string keys. Keys of input maps are input too.</summary>
internal sealed class TemplateMap(bool isInput = false)
{
    private readonly OrderedDictionary<string, object?> _items = new(StringComparer.Ordinal);

    public bool IsInput { get; } = isInput;

    public int Count => _items.Count;

    public IEnumerable<KeyValuePair<string, object?>> Items => _items;

    public object? this[string key]
    {
        set => _items[key] = value;
    }

    public bool TryGet(string key, out object? value) => _items.TryGetValue(key, out value);

    public TemplateString Key(string key) => new(key, IsInput);
}

/// <summary>What <c>namespace()</c> makes: the one thing templates may change.</summary>
internal sealed class TemplateNamespace
{
    public Dictionary<string, object?> Values { get; } = new(StringComparer.Ordinal);
}

/// <summary>Something that can be called: a macro, a method, a global.</summary>
internal sealed class TemplateFunction(string name, Func<CallArguments, object?> body)
{
    public string Name { get; } = name;

    public object? Call(CallArguments arguments) => body(arguments);
}

/// <summary>Arguments of one call, by position and by name.</summary>
internal sealed class CallArguments(List<object?> positional, Dictionary<string, object?> named)
{
    public static readonly CallArguments None = new([], []);

    public List<object?> Positional { get; } = positional;

    public Dictionary<string, object?> Named { get; } = named;

    public bool TryGet(int index, string name, out object? value)
    {
        if (index < Positional.Count)
        {
            value = Positional[index];
            return true;
        }

        return Named.TryGetValue(name, out value);
    }

    public object? Get(int index, string name, object? fallback) => TryGet(index, name, out object? value) ? value : fallback;

    public TemplateString Text(int index, string name) =>
        Get(index, name, null) as TemplateString ?? throw new TemplateException(TemplateErrorCode.Type, $"argument {name} is not a string");

    public long Integer(int index, string name, long fallback) => Get(index, name, fallback) switch
    {
        long value => value,
        bool value => value ? 1 : 0,
        _ => throw new TemplateException(TemplateErrorCode.Type, $"argument {name} is not an integer"),
    };
}

/// <summary>Python's rules for template values: null is None; the rest are bool, long, double, string, list, map, namespace, function.</summary>
internal static class TemplateValues
{
    private const int MaxDepth = 64;

    public static bool Truth(object? value) => value switch
    {
        null or Undefined => false,
        bool b => b,
        long l => l != 0,
        double d => d != 0,
        TemplateString s => s.Length > 0,
        List<object?> list => list.Count > 0,
        TemplateMap map => map.Count > 0,
        _ => true,
    };

    public static bool Same(object? left, object? right, TemplateContext context, int depth = 0)
    {
        context.Look();
        if (depth > MaxDepth)
        {
            throw new TemplateException(TemplateErrorCode.Limit, "values are nested too deeply");
        }

        return (left, right) switch
        {
            (null, null) or (Undefined, Undefined) => true,
            (TemplateString a, TemplateString b) => a.Equals(b),
            (List<object?> a, List<object?> b) => a.Count == b.Count && a.Zip(b).All(p => Same(p.First, p.Second, context, depth + 1)),
            (TemplateMap a, TemplateMap b) => a.Count == b.Count && a.Items.All(i => b.TryGet(i.Key, out object? v) && Same(i.Value, v, context, depth + 1)),
            _ when TryNumber(left, out double a) && TryNumber(right, out double b) => a == b,
            _ => ReferenceEquals(left, right),
        };
    }

    public static bool TryNumber(object? value, out double number)
    {
        (bool is_, number) = value switch
        {
            bool b => (true, b ? 1 : 0),
            long l => (true, (double)l),
            double d => (true, d),
            _ => (false, 0.0),
        };
        return is_;
    }

    public static int Compare(object? left, object? right, TemplateContext context, int depth = 0)
    {
        context.Look();
        return depth <= MaxDepth ? CompareAt(left, right, context, depth) : throw new TemplateException(TemplateErrorCode.Limit, "values are nested too deeply");
    }

    private static int CompareAt(object? left, object? right, TemplateContext context, int depth) => (left, right) switch
    {
        (TemplateString a, TemplateString b) => string.CompareOrdinal(a.Text, b.Text),
        (long a, long b) => a.CompareTo(b),
        _ when TryNumber(left, out double a) && TryNumber(right, out double b) => a.CompareTo(b),
        (List<object?> a, List<object?> b) => a.Zip(b).Select(p => Compare(p.First, p.Second, context, depth + 1)).FirstOrDefault(c => c != 0, a.Count.CompareTo(b.Count)),
        _ => throw new TemplateException(TemplateErrorCode.Type, "these values have no order"),
    };

    /// <summary>Python's <c>str()</c>.</summary>
    public static TemplateString Text(object? value, TemplateContext context) => value switch
    {
        TemplateString s => s,
        Undefined => TemplateString.Empty,
        _ => Compose(value, context, static (v, writer) => writer.Representation(v, 0)),
    };

    /// <summary>JSON as Python's <c>json.dumps</c> writes it without ASCII escaping.</summary>
    public static TemplateString Json(object? value, int? indent, bool sortKeys, TemplateContext context) =>
        Compose(value, context, (v, writer) => writer.Json(v, indent, sortKeys, 0));

    private static TemplateString Compose(object? value, TemplateContext context, Action<object?, Writer> write)
    {
        Writer writer = new(context);
        write(value, writer);
        return writer.Written();
    }

    private sealed class Writer(TemplateContext context)
    {
        private readonly StringBuilder _text = new();
        private bool _input;

        // Once input is inside, quoting and escaping mix it with the rest: all of it counts as input.
        public TemplateString Written() => new(_text.ToString(), _input);

        public void Representation(object? value, int depth)
        {
            Guard(depth);
            switch (value)
            {
                case null:
                    _text.Append("None");
                    break;
                case bool b:
                    _text.Append(b ? "True" : "False");
                    break;
                case TemplateString s:
                    _input |= s.HasInput;
                    PythonQuote(s.Text);
                    break;
                case List<object?> list:
                    _text.Append('[');
                    Separated(list, item => Representation(item, depth + 1));
                    _text.Append(']');
                    break;
                case TemplateMap map:
                    _input |= map.IsInput;
                    _text.Append('{');
                    Separated(map.Items, item =>
                    {
                        PythonQuote(item.Key);
                        _text.Append(": ");
                        Representation(item.Value, depth + 1);
                    });
                    _text.Append('}');
                    break;
                default:
                    Number(value);
                    break;
            }
        }

        public void Json(object? value, int? indent, bool sortKeys, int depth)
        {
            Guard(depth);
            switch (value)
            {
                case null:
                    _text.Append("null");
                    break;
                case bool b:
                    _text.Append(b ? "true" : "false");
                    break;
                case TemplateString s:
                    _input |= s.HasInput;
                    JsonQuote(s.Text);
                    break;
                case List<object?> list:
                    Container('[', ']', list, item => Json(item, indent, sortKeys, depth + 1), indent, depth);
                    break;
                case TemplateMap map:
                    _input |= map.IsInput;
                    IEnumerable<KeyValuePair<string, object?>> items = sortKeys ? map.Items.OrderBy(i => i.Key, StringComparer.Ordinal) : map.Items;
                    Container('{', '}', items.ToList(), item =>
                    {
                        JsonQuote(item.Key);
                        _text.Append(": ");
                        Json(item.Value, indent, sortKeys, depth + 1);
                    }, indent, depth);
                    break;
                default:
                    Number(value);
                    break;
            }
        }

        private void Container<T>(char open, char close, List<T> items, Action<T> write, int? indent, int depth)
        {
            _text.Append(open);
            for (int i = 0; i < items.Count; i++)
            {
                _text.Append(i == 0 ? "" : indent is null ? ", " : ",");
                NewLine(indent, depth + 1);
                write(items[i]);
            }

            if (items.Count > 0)
            {
                NewLine(indent, depth);
            }

            _text.Append(close);
        }

        private void NewLine(int? indent, int depth)
        {
            if (indent is { } width)
            {
                _text.Append('\n').Append(' ', Math.Clamp(width, 0, 16) * depth);
            }
        }

        private void Separated<T>(IEnumerable<T> items, Action<T> write)
        {
            bool first = true;
            foreach (T item in items)
            {
                _text.Append(first ? "" : ", ");
                first = false;
                write(item);
            }
        }

        private void Number(object? value) => _text.Append(value switch
        {
            long l => l.ToString(CultureInfo.InvariantCulture),
            double d => Float(d),
            _ => throw new TemplateException(TemplateErrorCode.Type, "a function or namespace has no text"),
        });

        private static string Float(double d)
        {
            string text = d.ToString("R", CultureInfo.InvariantCulture);
            if (text.Contains('E', StringComparison.Ordinal))
            {
                return text.Replace("E", "e", StringComparison.Ordinal);
            }

            if (Math.Abs(d) >= 1e16 && double.IsFinite(d))
            {
                // Python switches to exponents at 1e16, .NET one digit later.
                string digits = text.TrimStart('-').TrimEnd('0');
                string sign = d < 0 ? "-" : "";
                return $"{sign}{digits[0]}{(digits.Length > 1 ? "." : "")}{digits[1..]}e+{text.Length - sign.Length - 1}";
            }

            return text.Contains('.', StringComparison.Ordinal) || !double.IsFinite(d) ? text : text + ".0";
        }

        private void PythonQuote(string text)
        {
            char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
            _text.Append(quote);
            foreach (char c in text)
            {
                _text.Append(c switch
                {
                    '\n' => "\\n",
                    '\r' => "\\r",
                    '\t' => "\\t",
                    '\\' => "\\\\",
                    _ when c == quote => "\\" + c,
                    < ' ' or '\x7f' => $"\\x{(int)c:x2}",
                    _ => c.ToString(),
                });
            }

            _text.Append(quote);
        }

        private void JsonQuote(string text)
        {
            _text.Append('"');
            foreach (char c in text)
            {
                switch (c)
                {
                    case '"': _text.Append("\\\""); break;
                    case '\\': _text.Append("\\\\"); break;
                    case '\n': _text.Append("\\n"); break;
                    case '\r': _text.Append("\\r"); break;
                    case '\t': _text.Append("\\t"); break;
                    case '\b': _text.Append("\\b"); break;
                    case '\f': _text.Append("\\f"); break;
                    case < ' ': _text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"); break;
                    default: _text.Append(c); break;
                }
            }

            _text.Append('"');
        }

        private void Guard(int depth)
        {
            context.Look();
            TemplateContext.RequireLength(_text.Length);
            if (depth > MaxDepth)
            {
                throw new TemplateException(TemplateErrorCode.Limit, "values are nested too deeply");
            }
        }
    }
}
