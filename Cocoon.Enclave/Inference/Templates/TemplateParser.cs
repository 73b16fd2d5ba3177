namespace Cocoon.Enclave.Inference.Templates;

/// <summary>Template tokens to statements. Precedence is that of Jinja2.</summary>
internal sealed partial class TemplateParser
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
