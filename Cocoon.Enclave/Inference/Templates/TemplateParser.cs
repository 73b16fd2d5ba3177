using System.Globalization;

namespace Cocoon.Enclave.Inference.Templates;

/// <summary>Template tokens to statements. Precedence is that of Jinja2.</summary>
internal sealed class TemplateParser
{
    private const int MaxDepth = 64;

    private readonly List<TemplateToken> _tokens;
    private int _at;
    private int _depth;

    private TemplateParser(List<TemplateToken> tokens) => _tokens = tokens;

    /// <exception cref="TemplateException">Not a template of the supported subset.</exception>
    public static BlockStatement Parse(string source)
    {
        TemplateParser parser = new(TemplateLexer.Tokenize(source));
        BlockStatement body = parser.Body();
        return parser.Current.Kind == TokenKind.End ? body : throw parser.Bad("a statement ends that never began");
    }

    private TemplateToken Current => _tokens[_at];

    private BlockStatement Body(params string[] ends)
    {
        Enter();
        List<TemplateStatement> statements = [];
        while (true)
        {
            TemplateToken token = Current;
            if (token.Kind == TokenKind.End)
            {
                break;
            }

            if (token.Kind == TokenKind.StatementStart && _tokens[_at + 1] is { Kind: TokenKind.Name } word
                && (ends.Contains(word.Value) || word.Value.StartsWith("end", StringComparison.Ordinal) || word.Value is "else" or "elif"))
            {
                break;
            }

            statements.Add(Statement());
        }

        _depth--;
        return new BlockStatement(statements);
    }

    private TemplateStatement Statement()
    {
        TemplateToken token = Take();
        switch (token.Kind)
        {
            case TokenKind.Text:
                return new TextStatement(token.Value);
            case TokenKind.ExpressionStart:
                TemplateExpression shown = Expression(tuple: true);
                Expect(TokenKind.ExpressionEnd);
                return new OutputStatement(shown);
            case TokenKind.StatementStart:
                return Tag();
            default:
                throw Bad("unexpected token");
        }
    }

    private TemplateStatement Tag()
    {
        string word = Name();
        switch (word)
        {
            case "if":
                return If();
            case "for":
                return For();
            case "set":
                return Set();
            case "macro":
                return Macro();
            case "call":
                return CallBlock();
            case "filter":
                FilterExpression filter = FilterChain(null) ?? throw Bad("a filter block names a filter");
                EndTag();
                return new FilterStatement(filter, Closed("endfilter"));
            case "generation":
                EndTag();
                return Closed("endgeneration");
            case "break" or "continue":
                EndTag();
                return new FlowStatement(word == "break" ? Flow.Break : Flow.Continue);
            default:
                throw Bad($"statement {word} is not supported");
        }
    }

    private BlockStatement Closed(string end)
    {
        BlockStatement body = Body(end);
        Expect(TokenKind.StatementStart);
        ExpectName(end);
        EndTag();
        return body;
    }

    private IfStatement If()
    {
        List<(TemplateExpression, BlockStatement)> branches = [];
        BlockStatement? otherwise = null;
        TemplateExpression condition = Expression(tuple: true);
        EndTag();
        branches.Add((condition, Body("elif", "else", "endif")));
        while (true)
        {
            Expect(TokenKind.StatementStart);
            switch (Name())
            {
                case "elif":
                    condition = Expression(tuple: true);
                    EndTag();
                    branches.Add((condition, Body("elif", "else", "endif")));
                    break;
                case "else":
                    EndTag();
                    otherwise = Body("endif");
                    break;
                case "endif":
                    EndTag();
                    return new IfStatement(branches, otherwise);
                default:
                    throw Bad("an if has no endif");
            }
        }
    }

    private ForStatement For()
    {
        List<TemplateExpression> targets = Targets();
        ExpectName("in");
        TemplateExpression source = Disjunction(); // a conditional here would swallow the loop's own if
        TemplateExpression? condition = IsName("if") && Skip() ? Expression() : null;
        if (IsName("recursive"))
        {
            throw Bad("recursive loops are not supported");
        }

        EndTag();
        BlockStatement body = Body("else", "endfor");
        BlockStatement? otherwise = null;
        Expect(TokenKind.StatementStart);
        string end = Name();
        if (end == "else")
        {
            EndTag();
            otherwise = Body("endfor");
            Expect(TokenKind.StatementStart);
            end = Name();
        }

        if (end != "endfor")
        {
            throw Bad("a for has no endfor");
        }

        EndTag();
        return new ForStatement(targets, source, condition, body, otherwise);
    }

    private SetStatement Set()
    {
        List<TemplateExpression> targets = Targets();
        if (IsOperator("=") && Skip())
        {
            TemplateExpression value = Expression(tuple: true);
            EndTag();
            return new SetStatement(targets, value, null, null);
        }

        FilterExpression? filter = IsOperator("|") && Skip() ? FilterChain(null) : null;
        EndTag();
        return new SetStatement(targets, null, Closed("endset"), filter);
    }

    private List<TemplateExpression> Targets()
    {
        List<TemplateExpression> targets = [];
        do
        {
            if (IsOperator("(") && Skip())
            {
                targets.Add(new ListExpression(Targets()));
                Expect(")");
                continue;
            }

            string name = Name();
            targets.Add(IsOperator(".") && Skip() ? new NamespaceTarget(name, Name()) : new NameExpression(name));
        }
        while (IsOperator(",") && Skip() && !IsOperator("="));

        return targets;
    }

    private MacroStatement Macro()
    {
        string name = Name();
        List<(string, TemplateExpression?)> parameters = Parameters();
        EndTag();
        return new MacroStatement(name, parameters, Closed("endmacro"));
    }

    private CallStatement CallBlock()
    {
        List<(string, TemplateExpression?)> parameters = IsOperator("(") ? Parameters() : [];
        CallExpression call = Expression() as CallExpression ?? throw Bad("a call block calls something");
        EndTag();
        return new CallStatement(call, new MacroStatement("caller", parameters, Closed("endcall")));
    }

    private List<(string Name, TemplateExpression? Default)> Parameters()
    {
        List<(string, TemplateExpression?)> parameters = [];
        Expect("(");
        while (!IsOperator(")"))
        {
            string name = Name();
            parameters.Add((name, IsOperator("=") && Skip() ? Expression() : null));
            if (!IsOperator(","))
            {
                break;
            }

            Skip();
        }

        Expect(")");
        return parameters;
    }

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

    private string DottedName()
    {
        string name = Name();
        while (IsOperator(".") && _tokens[_at + 1].Kind == TokenKind.Name)
        {
            Skip();
            name += "." + Name();
        }

        return name;
    }

    private bool IsName(string value) => Current.Kind == TokenKind.Name && Current.Value == value;

    private bool IsOperator(string value) => Current.Kind == TokenKind.Operator && Current.Value == value;

    private bool Skip()
    {
        _at++;
        return true;
    }

    private TemplateToken Take() => Current.Kind == TokenKind.End ? throw Bad("the template ends too early") : _tokens[_at++];

    private string Name() => Current.Kind == TokenKind.Name ? Take().Value : throw Bad("a name is missing");

    private void ExpectName(string value)
    {
        if (!IsName(value))
        {
            throw Bad($"{value} is missing");
        }

        Skip();
    }

    private void Expect(string op)
    {
        if (!IsOperator(op))
        {
            throw Bad($"{op} is missing");
        }

        Skip();
    }

    private void Expect(TokenKind kind)
    {
        if (Current.Kind != kind)
        {
            throw Bad("a tag does not end where it should");
        }

        Skip();
    }

    private void EndTag() => Expect(TokenKind.StatementEnd);

    private void Enter()
    {
        if (++_depth > MaxDepth * 4)
        {
            throw new TemplateException(TemplateErrorCode.Limit, "the template is nested too deeply");
        }
    }

    private TemplateException Bad(string what) => new(TemplateErrorCode.Syntax, $"line {Current.Line}: {what}");
}
