using System.Globalization;

namespace Cocoon.Enclave.Inference.Templates;

internal sealed partial class TemplateParser
{
    private TemplateExpression Expression(bool tuple = false)
    {
        Enter();
        TemplateExpression value = Disjunction();
        while (IsName("if") && Skip())
        {
            TemplateExpression condition = Disjunction();
            value = new ConditionalExpression(condition, value, IsName("else") && Skip() ? Expression() : null);
        }

        if (tuple && IsOperator(","))
        {
            List<TemplateExpression> items = [value];
            while (IsOperator(",") && Skip() && !AtExpressionEnd())
            {
                items.Add(Expression());
            }

            value = new ListExpression(items);
        }

        _depth--;
        return value;
    }

    private bool AtExpressionEnd() =>
        Current.Kind is TokenKind.ExpressionEnd or TokenKind.StatementEnd or TokenKind.End || IsOperator(")") || IsOperator("]");

    private TemplateExpression Disjunction()
    {
        TemplateExpression left = Conjunction();
        while (IsName("or") && Skip())
        {
            left = new LogicalExpression(and: false, left, Conjunction());
        }

        return left;
    }

    private TemplateExpression Conjunction()
    {
        TemplateExpression left = Negation();
        while (IsName("and") && Skip())
        {
            left = new LogicalExpression(and: true, left, Negation());
        }

        return left;
    }

    private TemplateExpression Negation()
    {
        int nots = 0;
        while (IsName("not") && Skip())
        {
            nots++;
        }

        TemplateExpression value = Comparison();
        return (nots & 1) == 1 ? new NotExpression(value) : nots > 0 ? new NotExpression(new NotExpression(value)) : value;
    }

    private TemplateExpression Comparison()
    {
        TemplateExpression first = Binary(0);
        List<(string, TemplateExpression)> rest = [];
        while (true)
        {
            if (Current is { Kind: TokenKind.Operator, Value: "==" or "!=" or "<" or "<=" or ">" or ">=" } op)
            {
                Skip();
                rest.Add((op.Value, Binary(0)));
            }
            else if (IsName("in") && Skip())
            {
                rest.Add(("in", Binary(0)));
            }
            else if (IsName("not") && _tokens[_at + 1] is { Kind: TokenKind.Name, Value: "in" })
            {
                _at += 2;
                rest.Add(("not in", Binary(0)));
            }
            else
            {
                return rest.Count == 0 ? first : new CompareExpression(first, rest);
            }
        }
    }

    private static readonly string[][] Levels = [["+", "-"], ["~"], ["*", "/", "//", "%"]];

    private TemplateExpression Binary(int level)
    {
        if (level == Levels.Length)
        {
            return Power();
        }

        TemplateExpression left = Binary(level + 1);
        while (Current.Kind == TokenKind.Operator && Levels[level].Contains(Current.Value))
        {
            string op = Take().Value;
            left = new ArithmeticExpression(op, left, Binary(level + 1));
        }

        return left;
    }

    private TemplateExpression Power()
    {
        TemplateExpression left = Unary();
        while (IsOperator("**") && Skip())
        {
            left = new ArithmeticExpression("**", left, Unary());
        }

        return left;
    }

    private TemplateExpression Unary(bool filters = true)
    {
        Enter();
        TemplateExpression value;
        if (Current is { Kind: TokenKind.Operator, Value: "-" or "+" } sign)
        {
            Skip();
            value = new SignExpression(sign.Value == "-", Unary(filters: false));
        }
        else
        {
            value = Postfix(Primary());
        }

        if (filters)
        {
            value = Filters(value);
        }

        _depth--;
        return value;
    }

    private TemplateExpression Primary()
    {
        TemplateToken token = Take();
        switch (token.Kind)
        {
            case TokenKind.Integer:
                return new LiteralExpression(long.Parse(token.Value, CultureInfo.InvariantCulture));
            case TokenKind.Float:
                return new LiteralExpression(double.Parse(token.Value, CultureInfo.InvariantCulture));
            case TokenKind.String:
                string text = token.Value;
                while (Current.Kind == TokenKind.String)
                {
                    text += Take().Value;
                }

                return new LiteralExpression(new TemplateString(text));
            case TokenKind.Name:
                return token.Value switch
                {
                    "true" or "True" => new LiteralExpression(true),
                    "false" or "False" => new LiteralExpression(false),
                    "none" or "None" => new LiteralExpression(null),
                    _ => new NameExpression(token.Value),
                };
            case TokenKind.Operator when token.Value == "(":
                if (IsOperator(")") && Skip())
                {
                    return new ListExpression([]);
                }

                TemplateExpression inner = Expression(tuple: true);
                Expect(")");
                return inner;
            case TokenKind.Operator when token.Value == "[":
                return new ListExpression(Separated("]", () => Expression()));
            case TokenKind.Operator when token.Value == "{":
                return new MapExpression(Separated("}", () =>
                {
                    TemplateExpression key = Expression();
                    Expect(":");
                    return (key, Expression());
                }));
            default:
                throw Bad("a value is missing");
        }
    }

    private TemplateExpression Postfix(TemplateExpression value)
    {
        while (Current.Kind == TokenKind.Operator)
        {
            if (IsOperator(".") && Skip())
            {
                TemplateToken member = Take();
                value = member.Kind switch
                {
                    TokenKind.Name => new MemberExpression(value, new LiteralExpression(new TemplateString(member.Value)), isAttribute: true),
                    TokenKind.Integer => new MemberExpression(value, new LiteralExpression(long.Parse(member.Value, CultureInfo.InvariantCulture)), isAttribute: false),
                    _ => throw Bad("a member has a name"),
                };
            }
            else if (IsOperator("[") && Skip())
            {
                value = Subscript(value);
            }
            else if (IsOperator("("))
            {
                value = new CallExpression(value, Arguments());
            }
            else
            {
                break;
            }
        }

        return value;
    }

    private TemplateExpression Subscript(TemplateExpression target)
    {
        TemplateExpression?[] bounds = new TemplateExpression?[3];
        int part = 0;
        while (!IsOperator("]"))
        {
            if (IsOperator(":") && Skip())
            {
                if (++part > 2)
                {
                    throw Bad("a slice has at most three parts");
                }

                continue;
            }

            bounds[part] = bounds[part] is null ? Expression() : throw Bad("a subscript has one value");
        }

        Skip();
        return part > 0
            ? new SliceExpression(target, bounds[0], bounds[1], bounds[2])
            : new MemberExpression(target, bounds[0] ?? throw Bad("a subscript has a value"), isAttribute: false);
    }

    private TemplateExpression Filters(TemplateExpression value)
    {
        while (true)
        {
            if (IsOperator("|") && Skip())
            {
                value = new FilterExpression(value, DottedName(), IsOperator("(") ? Arguments() : ArgumentList.Empty);
            }
            else if (IsName("is") && Skip())
            {
                bool negated = IsName("not") && Skip();
                string test = DottedName();
                value = new TestExpression(value, test, TestArguments(), negated);
            }
            else if (IsOperator("(") || IsOperator("[") || IsOperator("."))
            {
                value = Postfix(value);
            }
            else
            {
                return value;
            }
        }
    }

    /// <summary>Of a filter block or block set: the first filter's target is the block.</summary>
    private FilterExpression? FilterChain(TemplateExpression? target)
    {
        FilterExpression? filter = null;
        do
        {
            if (filter is not null)
            {
                throw Bad("one filter per block");
            }

            filter = new FilterExpression(target, DottedName(), IsOperator("(") ? Arguments() : ArgumentList.Empty);
        }
        while (IsOperator("|") && Skip());

        return filter;
    }

    private ArgumentList TestArguments()
    {
        if (IsOperator("("))
        {
            return Arguments();
        }

        // A test's single argument may stand without parentheses: "is divisibleby 3".
        bool bare = Current.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float || IsOperator("[") || IsOperator("{")
            || (Current.Kind == TokenKind.Name && Current.Value is not ("and" or "or" or "not" or "if" or "else" or "in" or "is" or "recursive"));
        return bare ? new ArgumentList([Postfix(Primary())], []) : ArgumentList.Empty;
    }

    private ArgumentList Arguments()
    {
        Expect("(");
        List<TemplateExpression> positional = [];
        List<(string, TemplateExpression)> named = [];
        while (!IsOperator(")"))
        {
            if (Current.Kind == TokenKind.Name && _tokens[_at + 1] is { Kind: TokenKind.Operator, Value: "=" })
            {
                string name = Name();
                Skip();
                named.Add((name, Expression()));
            }
            else
            {
                positional.Add(Expression());
            }

            if (!IsOperator(","))
            {
                break;
            }

            Skip();
        }

        Expect(")");
        return new ArgumentList(positional, named);
    }

    private List<T> Separated<T>(string close, Func<T> item)
    {
        List<T> items = [];
        while (!IsOperator(close))
        {
            items.Add(item());
            if (!IsOperator(","))
            {
                break;
            }

            Skip();
        }

        Expect(close);
        return items;
    }
}
