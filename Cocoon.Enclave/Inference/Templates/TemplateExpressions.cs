namespace Cocoon.Enclave.Inference.Templates;

internal abstract class TemplateExpression
{
    public object? Evaluate(TemplateScope scope)
    {
        scope.Context.Step();
        scope.Context.Enter();
        object? value = Compute(scope);
        scope.Context.Leave();
        return Makes ? scope.Context.Made(value) : value;
    }

    /// <summary>Whether its value may be a new one, which takes memory.</summary>
    protected virtual bool Makes => false;

    protected abstract object? Compute(TemplateScope scope);

    protected static TemplateException Wrong(string what) => new(TemplateErrorCode.Type, what);
}

internal sealed class LiteralExpression(object? value) : TemplateExpression
{
    protected override object? Compute(TemplateScope scope) => value;
}

internal sealed class NameExpression(string name) : TemplateExpression
{
    public string Name { get; } = name;

    protected override object? Compute(TemplateScope scope) =>
        scope.Get(Name) is var value && value is not Undefined ? value : TemplateGlobals.Find(Name, scope.Context) ?? value;
}

internal sealed class ListExpression(List<TemplateExpression> items) : TemplateExpression
{
    public IReadOnlyList<TemplateExpression> Items { get; } = items;

    protected override bool Makes => true;

    protected override object? Compute(TemplateScope scope) => Items.Select(i => i.Evaluate(scope)).ToList();
}

internal sealed class MapExpression(List<(TemplateExpression Key, TemplateExpression Value)> items) : TemplateExpression
{
    protected override bool Makes => true;

    protected override object? Compute(TemplateScope scope)
    {
        List<(TemplateString Key, object? Value)> pairs = [.. items.Select(i => (TemplateValues.Text(i.Key.Evaluate(scope), scope.Context), i.Value.Evaluate(scope)))];
        TemplateMap map = new(pairs.Any(p => p.Key.HasInput));
        foreach ((TemplateString key, object? value) in pairs)
        {
            map[key.Text] = value;
        }

        return map;
    }
}

internal sealed class ConditionalExpression(TemplateExpression condition, TemplateExpression then, TemplateExpression? otherwise) : TemplateExpression
{
    protected override object? Compute(TemplateScope scope) =>
        TemplateValues.Truth(condition.Evaluate(scope)) ? then.Evaluate(scope) : otherwise?.Evaluate(scope) ?? (otherwise is null ? Undefined.Value : null);
}

internal sealed class LogicalExpression(bool and, TemplateExpression left, TemplateExpression right) : TemplateExpression
{
    protected override object? Compute(TemplateScope scope)
    {
        object? first = left.Evaluate(scope);
        return TemplateValues.Truth(first) == and ? right.Evaluate(scope) : first;
    }
}

internal sealed class NotExpression(TemplateExpression operand) : TemplateExpression
{
    protected override object? Compute(TemplateScope scope) => !TemplateValues.Truth(operand.Evaluate(scope));
}

internal sealed class SignExpression(bool negative, TemplateExpression operand) : TemplateExpression
{
    protected override object? Compute(TemplateScope scope) => operand.Evaluate(scope) switch
    {
        long l => (object)(negative ? unchecked(-l) : l), // without the cast every arm would become a double
        double d => negative ? -d : d,
        bool b => b ? (negative ? -1L : 1L) : 0L,
        _ => throw Wrong("only a number has a sign"),
    };
}

internal sealed class CompareExpression(TemplateExpression first, List<(string Operator, TemplateExpression Operand)> rest) : TemplateExpression
{
    protected override object? Compute(TemplateScope scope)
    {
        object? left = first.Evaluate(scope);
        foreach ((string op, TemplateExpression operand) in rest)
        {
            object? right = operand.Evaluate(scope);
            bool holds = op switch
            {
                "==" => TemplateValues.Same(left, right, scope.Context),
                "!=" => !TemplateValues.Same(left, right, scope.Context),
                "<" => TemplateValues.Compare(left, right, scope.Context) < 0,
                "<=" => TemplateValues.Compare(left, right, scope.Context) <= 0,
                ">" => TemplateValues.Compare(left, right, scope.Context) > 0,
                ">=" => TemplateValues.Compare(left, right, scope.Context) >= 0,
                "in" => Contains(right, left, scope.Context),
                _ => !Contains(right, left, scope.Context),
            };
            if (!holds)
            {
                return false;
            }

            left = right;
        }

        return true;
    }

    public static bool Contains(object? container, object? item, TemplateContext context) => container switch
    {
        TemplateString text => text.Find((item as TemplateString ?? throw Wrong("only a string can be in a string")).Text) >= 0,
        List<object?> list => list.Any(i => TemplateValues.Same(i, item, context)),
        TemplateMap map => item is TemplateString key && map.TryGet(key.Text, out _),
        Undefined => false,
        _ => throw Wrong("nothing can be in this value"),
    };
}

internal sealed class ArithmeticExpression(string op, TemplateExpression left, TemplateExpression right) : TemplateExpression
{
    protected override bool Makes => true;

    protected override object? Compute(TemplateScope scope)
    {
        object? a = left.Evaluate(scope);
        object? b = right.Evaluate(scope);
        return (op, a, b) switch
        {
            ("~", _, _) => TemplateValues.Text(a, scope.Context) + TemplateValues.Text(b, scope.Context),
            ("+", TemplateString s, TemplateString t) => s + t,
            ("+", List<object?> s, List<object?> t) => Joined(s, t),
            ("*", TemplateString s, long n) => Repeat(s, n),
            ("*", long n, TemplateString s) => Repeat(s, n),
            ("%", TemplateString, _) => throw new TemplateException(TemplateErrorCode.Syntax, "string formatting with % is not supported"),
            _ => Numbers(Integer(a), Integer(b)),
        };
    }

    private static object? Integer(object? value) => value is bool b ? (b ? 1L : 0L) : value;

    private object Numbers(object? a, object? b)
    {
        if (a is long m && b is long n)
        {
            return op switch
            {
                "+" => (object)unchecked(m + n), // without the cast every arm would become a double
                "-" => unchecked(m - n),
                "*" => unchecked(m * n),
                "/" => n == 0 ? throw Wrong("division by zero") : (double)m / n,
                "//" => n == 0 ? throw Wrong("division by zero") : n == -1 ? unchecked(-m) : (long)Math.Floor((decimal)m / n),
                "%" => n == 0 ? throw Wrong("division by zero") : n == -1 ? 0L : ((m % n) + n) % n,
                _ => Math.Pow(m, n) is var p && n >= 0 && Math.Abs(p) < long.MaxValue ? (object)(long)p : p,
            };
        }

        if (!TemplateValues.TryNumber(a, out double x) || !TemplateValues.TryNumber(b, out double y))
        {
            throw Wrong($"operator {op} does not fit these values");
        }

        return op switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            "/" => y == 0 ? throw Wrong("division by zero") : x / y,
            "//" => y == 0 ? throw Wrong("division by zero") : Math.Floor(x / y),
            "%" => y == 0 ? throw Wrong("division by zero") : x - (y * Math.Floor(x / y)),
            _ => Math.Pow(x, y),
        };
    }

    private static List<object?> Joined(List<object?> a, List<object?> b) =>
        a.Count + b.Count <= TemplateContext.MaxValues ? [.. a, .. b] : throw new TemplateException(TemplateErrorCode.Limit, "a list is too long");

    private static TemplateString Repeat(TemplateString text, long count)
    {
        if (count <= 0 || text.Length == 0)
        {
            return TemplateString.Empty;
        }

        return count <= TemplateContext.MaxOutput / text.Length
            ? TemplateString.Concat(Enumerable.Repeat(text, (int)count))
            : throw new TemplateException(TemplateErrorCode.Limit, "the template makes too much text");
    }
}

internal sealed class MemberExpression(TemplateExpression target, TemplateExpression key, bool isAttribute) : TemplateExpression
{
    protected override object? Compute(TemplateScope scope)
    {
        object? value = target.Evaluate(scope);
        object? name = key.Evaluate(scope);
        return Find(value, name, isAttribute, scope.Context);
    }

    /// <summary>An attribute looks for methods first, a subscript for items first; each falls back to the other, as Jinja does.</summary>
    public static object? Find(object? value, object? name, bool isAttribute, TemplateContext context)
    {
        if (value is Undefined or null)
        {
            return value is null ? Undefined.Value : throw Wrong("an undefined value has no members");
        }

        switch (value, name)
        {
            case (TemplateMap map, TemplateString key):
                return (isAttribute ? (object?)TemplateMethods.Find(value, key.Text, context) : null)
                    ?? (map.TryGet(key.Text, out object? item) ? item : (object?)TemplateMethods.Find(value, key.Text, context) ?? Undefined.Value);
            case (TemplateNamespace space, TemplateString key):
                return space.Values.TryGetValue(key.Text, out object? set) ? set : Undefined.Value;
            case (List<object?> list, long index):
                return At(list.Count, index) is >= 0 and var i ? list[i] : Undefined.Value;
            case (TemplateString text, long index):
                return At(text.Length, index) is >= 0 and var c ? text.Slice(c, 1) : Undefined.Value;
            case (_, TemplateString method):
                return (object?)TemplateMethods.Find(value, method.Text, context) ?? Undefined.Value;
            default:
                return Undefined.Value;
        }
    }

    private static int At(int count, long index) => index < -count || index >= count ? -1 : (int)(index < 0 ? index + count : index);
}

internal sealed class SliceExpression(TemplateExpression target, TemplateExpression? start, TemplateExpression? stop, TemplateExpression? step) : TemplateExpression
{
    protected override bool Makes => true;

    protected override object? Compute(TemplateScope scope)
    {
        object? value = target.Evaluate(scope);
        long by = Bound(step, scope) ?? 1;
        if (by == 0)
        {
            throw Wrong("a slice's step is not zero");
        }

        long? from = Bound(start, scope);
        long? to = Bound(stop, scope);
        return value switch
        {
            List<object?> list => Indices(list.Count, from, to, by).Select(i => list[i]).ToList(),
            TemplateString text when by == 1 => Indices(text.Length, from, to, 1).ToList() is { Count: > 0 } at ? text.Slice(at[0], at.Count) : TemplateString.Empty,
            TemplateString text => TemplateString.Concat(Indices(text.Length, from, to, by).Select(i => text.Slice(i, 1))),
            Undefined => Undefined.Value,
            _ => throw Wrong("only a list or string can be sliced"),
        };
    }

    private static long? Bound(TemplateExpression? expression, TemplateScope scope) => expression?.Evaluate(scope) switch
    {
        null => null,
        long l => Math.Clamp(l, int.MinValue, int.MaxValue),
        _ => throw Wrong("a slice's bounds are integers"),
    };

    private static IEnumerable<int> Indices(int count, long? start, long? stop, long step)
    {
        long Clamp(long value, long least, long most) => Math.Clamp(value < 0 ? value + count : value, least, most);
        long from = start is { } s ? Clamp(s, step > 0 ? 0 : -1, step > 0 ? count : count - 1) : step > 0 ? 0 : count - 1;
        long to = stop is { } e ? Clamp(e, step > 0 ? 0 : -1, step > 0 ? count : count - 1) : step > 0 ? count : -1;
        for (long i = from; step > 0 ? i < to : i > to; i += step)
        {
            yield return (int)i;
        }
    }
}

internal sealed class CallExpression(TemplateExpression target, ArgumentList arguments) : TemplateExpression
{
    protected override bool Makes => true;

    protected override object? Compute(TemplateScope scope) =>
        (target.Evaluate(scope) as TemplateFunction ?? throw Wrong("this value cannot be called")).Call(arguments.Evaluate(scope));

    public object? CallWith(TemplateScope scope, TemplateFunction caller)
    {
        CallArguments evaluated = arguments.Evaluate(scope);
        evaluated.Named["caller"] = caller;
        return (target.Evaluate(scope) as TemplateFunction ?? throw Wrong("this value cannot be called")).Call(evaluated);
    }
}

internal sealed class FilterExpression(TemplateExpression? target, string name, ArgumentList arguments) : TemplateExpression
{
    protected override bool Makes => true;

    protected override object? Compute(TemplateScope scope) => Apply(target?.Evaluate(scope), scope);

    public object? Apply(object? value, TemplateScope scope) => TemplateFilters.Apply(name, value, arguments.Evaluate(scope), scope.Context);
}

internal sealed class TestExpression(TemplateExpression target, string name, ArgumentList arguments, bool negated) : TemplateExpression
{
    protected override object? Compute(TemplateScope scope) =>
        TemplateTests.Check(name, target.Evaluate(scope), arguments.Evaluate(scope), scope.Context) != negated;
}

internal sealed class ArgumentList(List<TemplateExpression> positional, List<(string Name, TemplateExpression Value)> named)
{
    public static readonly ArgumentList Empty = new([], []);

    public CallArguments Evaluate(TemplateScope scope)
    {
        Dictionary<string, object?> byName = new(StringComparer.Ordinal);
        List<object?> byPosition = [.. positional.Select(p => p.Evaluate(scope))];
        foreach ((string name, TemplateExpression value) in named)
        {
            byName[name] = value.Evaluate(scope);
        }

        return new CallArguments(byPosition, byName);
    }
}
