namespace Cocoon.Enclave.Inference.Templates;

/// <summary>How a statement ended.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

internal abstract class TemplateStatement
{
    public abstract Flow Execute(TemplateScope scope);
}

internal sealed class BlockStatement(List<TemplateStatement> statements) : TemplateStatement
{
    public override Flow Execute(TemplateScope scope)
    {
        scope.Context.Enter();
        Flow flow = Flow.Next;
        for (int i = 0; i < statements.Count && flow == Flow.Next; i++)
        {
            scope.Context.Step();
            flow = statements[i].Execute(scope);
        }

        scope.Context.Leave();
        return flow;
    }

    public TemplateString Render(TemplateScope outer)
    {
        TemplateScope scope = new(outer, outer.Context) { Output = [] };
        Execute(scope);
        return scope.Context.Made(TemplateString.Concat(scope.Output));
    }
}

internal sealed class TextStatement(string text) : TemplateStatement
{
    private readonly TemplateString _text = text;

    public override Flow Execute(TemplateScope scope)
    {
        scope.Write(_text);
        return Flow.Next;
    }
}

internal sealed class OutputStatement(TemplateExpression expression) : TemplateStatement
{
    public override Flow Execute(TemplateScope scope)
    {
        scope.Write(TemplateValues.Text(expression.Evaluate(scope), scope.Context));
        return Flow.Next;
    }
}

internal sealed class FlowStatement(Flow flow) : TemplateStatement
{
    public override Flow Execute(TemplateScope scope) => flow;
}

internal sealed class IfStatement(List<(TemplateExpression Condition, BlockStatement Body)> branches, BlockStatement? otherwise) : TemplateStatement
{
    public override Flow Execute(TemplateScope scope)
    {
        foreach ((TemplateExpression condition, BlockStatement body) in branches)
        {
            if (TemplateValues.Truth(condition.Evaluate(scope)))
            {
                return body.Execute(scope);
            }
        }

        return otherwise?.Execute(scope) ?? Flow.Next;
    }
}

internal sealed class SetStatement(List<TemplateExpression> targets, TemplateExpression? value, BlockStatement? body, FilterExpression? filter) : TemplateStatement
{
    public override Flow Execute(TemplateScope scope)
    {
        object? result = value is not null ? value.Evaluate(scope) : body!.Render(scope);
        if (filter is not null)
        {
            result = filter.Apply(result, scope);
        }

        if (targets.Count == 1)
        {
            Assign(scope, targets[0], result);
        }
        else
        {
            Unpack(scope, targets, result);
        }

        return Flow.Next;
    }

    public static void Unpack(TemplateScope scope, IReadOnlyList<TemplateExpression> targets, object? value)
    {
        if (value is not List<object?> items || items.Count != targets.Count)
        {
            throw new TemplateException(TemplateErrorCode.Type, $"{targets.Count} names need as many values");
        }

        for (int i = 0; i < targets.Count; i++)
        {
            Assign(scope, targets[i], items[i]);
        }
    }

    public static void Assign(TemplateScope scope, TemplateExpression target, object? value)
    {
        switch (target)
        {
            case NameExpression name:
                scope.Set(name.Name, value);
                break;
            case NamespaceTarget space:
                space.Assign(scope, value);
                break;
            case ListExpression list:
                Unpack(scope, list.Items, value);
                break;
            default:
                throw new TemplateException(TemplateErrorCode.Syntax, "this cannot be set");
        }
    }
}

/// <summary><c>ns.name</c> on the left of a set: only namespaces may be changed.</summary>
internal sealed class NamespaceTarget(string name, string attribute) : TemplateExpression
{
    public void Assign(TemplateScope scope, object? value)
    {
        if (scope.Get(name) is not TemplateNamespace space)
        {
            throw Wrong("only a namespace's attributes can be set");
        }

        space.Values[attribute] = value;
    }

    protected override object? Compute(TemplateScope scope) => throw Wrong("a target has no value");
}

internal sealed class ForStatement(
    List<TemplateExpression> targets, TemplateExpression source, TemplateExpression? condition, BlockStatement body, BlockStatement? otherwise) : TemplateStatement
{
    public override Flow Execute(TemplateScope scope)
    {
        List<object?> items = Iterate(source.Evaluate(scope));
        if (condition is not null)
        {
            items = [.. items.Where(item =>
            {
                TemplateScope test = new(scope, scope.Context);
                Bind(test, item);
                return TemplateValues.Truth(condition.Evaluate(test));
            })];
        }

        if (items.Count == 0)
        {
            return otherwise?.Execute(scope) ?? Flow.Next;
        }

        object? changed = Undefined.Value;
        for (int i = 0; i < items.Count; i++)
        {
            scope.Context.Step();
            TemplateScope turn = new(scope, scope.Context);
            Bind(turn, items[i]);
            turn.Set("loop", Loop(items, i, value =>
            {
                bool differs = !TemplateValues.Same(changed, value, scope.Context);
                changed = value;
                return differs;
            }));
            if (body.Execute(turn) == Flow.Break)
            {
                break;
            }
        }

        return Flow.Next;
    }

    /// <summary>What a for loop sees: a map's keys, a string's characters.</summary>
    public static List<object?> Iterate(object? value) => value switch
    {
        List<object?> list => list,
        TemplateMap map => [.. map.Items.Select(i => (object?)map.Key(i.Key))],
        TemplateString { Length: > TemplateContext.MaxValues } => throw new TemplateException(TemplateErrorCode.Limit, "a text has too many characters to go through them"),
        TemplateString text => [.. Enumerable.Range(0, text.Length).Select(i => (object?)text.Slice(i, 1))],
        Undefined => [],
        _ => throw new TemplateException(TemplateErrorCode.Type, "this value cannot be looped over"),
    };

    private void Bind(TemplateScope scope, object? item)
    {
        if (targets.Count == 1)
        {
            SetStatement.Assign(scope, targets[0], item);
        }
        else
        {
            SetStatement.Unpack(scope, targets, item);
        }
    }

    private static TemplateMap Loop(List<object?> items, int i, Func<object?, bool> changed) => new()
    {
        ["index"] = i + 1L,
        ["index0"] = (long)i,
        ["revindex"] = (long)(items.Count - i),
        ["revindex0"] = items.Count - i - 1L,
        ["first"] = i == 0,
        ["last"] = i == items.Count - 1,
        ["length"] = (long)items.Count,
        ["previtem"] = i > 0 ? items[i - 1] : Undefined.Value,
        ["nextitem"] = i + 1 < items.Count ? items[i + 1] : Undefined.Value,
        ["depth"] = 1L, // counts recursion, which is not supported
        ["cycle"] = new TemplateFunction("cycle", a => a.Positional.Count == 0 ? Undefined.Value : a.Positional[i % a.Positional.Count]),
        ["changed"] = new TemplateFunction("changed", a => changed(a.Positional.ToList())),
    };
}

internal sealed class MacroStatement(string name, List<(string Name, TemplateExpression? Default)> parameters, BlockStatement body) : TemplateStatement
{
    public override Flow Execute(TemplateScope scope)
    {
        scope.Set(name, Function(scope));
        return Flow.Next;
    }

    public TemplateFunction Function(TemplateScope definition) => new(name, arguments =>
    {
        definition.Context.Step();
        TemplateScope call = new(definition, definition.Context);
        for (int i = 0; i < parameters.Count; i++)
        {
            (string parameter, TemplateExpression? fallback) = parameters[i];
            call.Set(parameter, arguments.TryGet(i, parameter, out object? value) ? value : fallback?.Evaluate(call) ?? (fallback is null ? Undefined.Value : null));
        }

        if (arguments.Named.TryGetValue("caller", out object? caller))
        {
            call.Set("caller", caller);
        }

        return body.Render(call);
    });
}

/// <summary>A call block: the body is handed to the macro as <c>caller()</c>.</summary>
internal sealed class CallStatement(CallExpression call, MacroStatement body) : TemplateStatement
{
    public override Flow Execute(TemplateScope scope)
    {
        scope.Write(TemplateValues.Text(call.CallWith(scope, body.Function(scope)), scope.Context));
        return Flow.Next;
    }
}

internal sealed class FilterStatement(FilterExpression filter, BlockStatement body) : TemplateStatement
{
    public override Flow Execute(TemplateScope scope)
    {
        scope.Write(TemplateValues.Text(filter.Apply(body.Render(scope), scope), scope.Context));
        return Flow.Next;
    }
}
