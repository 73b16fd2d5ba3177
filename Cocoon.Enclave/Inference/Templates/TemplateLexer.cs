using System.Globalization;
using System.Text;

namespace Cocoon.Enclave.Inference.Templates;

internal enum TokenKind
{
    Text,
    ExpressionStart,
    ExpressionEnd,
    StatementStart,
    StatementEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}

internal readonly record struct TemplateToken(TokenKind Kind, string Value, int Line);

/// <summary>Cuts template text into tokens, with Jinja's whitespace control and the settings chat templates are written for.</summary>
/// <remarks><c>trim_blocks</c>, <c>lstrip_blocks</c> and no trailing newline: what the transformers library uses.</remarks>
internal sealed class TemplateLexer
{
    public const int MaxTemplateLength = 1 << 20;
    private const int MaxTokens = 200_000;

    private static readonly string[] Operators =
        ["//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|"];

    private readonly string _source;
    private readonly List<TemplateToken> _tokens = [];
    private int _at;
    private int _line = 1;

    private TemplateLexer(string source) => _source = source;

    /// <exception cref="TemplateException">Too long, or not lexically a template.</exception>
    public static List<TemplateToken> Tokenize(string source)
    {
        if (source.Length > MaxTemplateLength)
        {
            throw new TemplateException(TemplateErrorCode.Limit, $"the template has more than {MaxTemplateLength} characters");
        }

        source = source.ReplaceLineEndings("\n");
        TemplateLexer lexer = new(source.EndsWith('\n') ? source[..^1] : source);
        lexer.Run();
        return lexer._tokens;
    }

    private void Run()
    {
        bool trimNext = false;
        while (_at < _source.Length)
        {
            int open = NextOpening(_at);
            string text = open < 0 ? _source[_at..] : _source[_at..open];
            _line += text.AsSpan().Count('\n');
            if (trimNext)
            {
                text = text.TrimStart();
            }

            if (open < 0)
            {
                Add(TokenKind.Text, text);
                _at = _source.Length;
                break;
            }

            char kind = _source[open + 1];
            char control = open + 2 < _source.Length ? _source[open + 2] : ' ';
            if (control == '-')
            {
                text = text.TrimEnd();
            }
            else if (kind != '{' && control != '+')
            {
                text = StripLineIndent(text, open);
            }

            Add(TokenKind.Text, text);
            _at = open + 2 + (control is '-' or '+' ? 1 : 0);
            trimNext = kind switch
            {
                '#' => Comment(),
                '{' => Inside("}}", TokenKind.ExpressionStart, TokenKind.ExpressionEnd),
                _ => Raw() ?? Inside("%}", TokenKind.StatementStart, TokenKind.StatementEnd),
            };
        }

        _tokens.Add(new TemplateToken(TokenKind.End, "", _line));
    }

    private int NextOpening(int from)
    {
        for (int i = _source.IndexOf('{', from); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '{' or '%' or '#')
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Drops blanks between the line's beginning and a block.</summary>
    private string StripLineIndent(string text, int open)
    {
        int lineStart = open == 0 ? 0 : _source.LastIndexOf('\n', open - 1) + 1;
        ReadOnlySpan<char> indent = _source.AsSpan(lineStart, open - lineStart);
        return indent.Trim(" \t").IsEmpty ? text[..^Math.Min(indent.Length, text.Length)] : text;
    }

    private bool Comment()
    {
        int close = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (close < 0)
        {
            throw Bad("a comment has no end");
        }

        bool trim = close > _at && _source[close - 1] == '-';
        _line += _source.AsSpan(_at, close - _at).Count('\n');
        _at = close + 2;
        if (!trim)
        {
            SkipNewline();
        }

        return trim;
    }

    /// <summary>The text of a raw block, or <c>null</c> when another statement begins here.</summary>
    private bool? Raw()
    {
        int at = _at;
        if (!Keyword(ref at, "raw", out _))
        {
            return null;
        }

        int body = at;
        for (int open = _source.IndexOf("{%", body, StringComparison.Ordinal); open >= 0; open = _source.IndexOf("{%", open + 2, StringComparison.Ordinal))
        {
            int end = open + 2 + (_source.AsSpan(open + 2).StartsWith("-") ? 1 : 0);
            if (Keyword(ref end, "endraw", out bool trim))
            {
                Add(TokenKind.Text, _source[body..open]);
                _at = end;
                return trim;
            }
        }

        throw Bad("a raw block has no end");
    }

    private bool Keyword(ref int at, string word, out bool trim)
    {
        trim = false;
        int i = at;
        while (i < _source.Length && char.IsWhiteSpace(_source[i]))
        {
            i++;
        }

        if (!_source.AsSpan(i).StartsWith(word, StringComparison.Ordinal))
        {
            return false;
        }

        i += word.Length;
        while (i < _source.Length && char.IsWhiteSpace(_source[i]))
        {
            i++;
        }

        trim = i < _source.Length && _source[i] == '-';
        i += trim ? 1 : 0;
        if (!_source.AsSpan(i).StartsWith("%}"))
        {
            return false;
        }

        at = i + 2;
        return true;
    }

    private bool Inside(string close, TokenKind start, TokenKind end)
    {
        Add(start, "");
        int depth = 0;
        while (_at < _source.Length)
        {
            char c = _source[_at];
            if (char.IsWhiteSpace(c))
            {
                _line += c == '\n' ? 1 : 0;
                _at++;
                continue;
            }

            if (depth == 0)
            {
                bool trim = c is '-' or '+' && string.CompareOrdinal(_source, _at + 1, close, 0, 2) == 0;
                if (trim || string.CompareOrdinal(_source, _at, close, 0, 2) == 0)
                {
                    Add(end, "");
                    _at += trim ? 3 : 2;
                    if (end == TokenKind.StatementEnd && !trim)
                    {
                        SkipNewline();
                    }

                    return trim && c == '-';
                }
            }

            if (char.IsLetter(c) || c == '_')
            {
                int from = _at;
                while (_at < _source.Length && (char.IsLetterOrDigit(_source[_at]) || _source[_at] == '_'))
                {
                    _at++;
                }

                Add(TokenKind.Name, _source[from.._at]);
            }
            else if (char.IsAsciiDigit(c))
            {
                Number();
            }
            else if (c is '\'' or '"')
            {
                QuotedString(c);
            }
            else
            {
                string op = Operators.FirstOrDefault(o => string.CompareOrdinal(_source, _at, o, 0, o.Length) == 0) ?? throw Bad($"unexpected character U+{(int)c:X4}");
                depth += op is "(" or "[" or "{" ? 1 : op is ")" or "]" or "}" ? -1 : 0;
                Add(TokenKind.Operator, op);
                _at += op.Length;
            }
        }

        throw Bad("a tag has no end");
    }

    private void Number()
    {
        int from = _at;
        bool real = false;
        while (_at < _source.Length)
        {
            char c = _source[_at];
            if (c is 'e' or 'E' && ExponentLength() is > 0 and var exponent)
            {
                real = true;
                _at += exponent;
                break;
            }

            if (c == '.' && !real && _at + 1 < _source.Length && char.IsAsciiDigit(_source[_at + 1]))
            {
                real = true;
            }
            else if (!char.IsAsciiDigit(c) && c != '_')
            {
                break;
            }

            _at++;
        }

        string text = _source[from.._at].Replace("_", "", StringComparison.Ordinal);
        if (!real && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            throw Bad("a number is too large");
        }

        Add(real ? TokenKind.Float : TokenKind.Integer, text);
    }

    /// <summary>Characters of an exponent that begins here; 0: none does.</summary>
    private int ExponentLength()
    {
        int length = _at + 1 < _source.Length && _source[_at + 1] is '+' or '-' ? 2 : 1;
        int digits = 0;
        while (_at + length + digits < _source.Length && char.IsAsciiDigit(_source[_at + length + digits]))
        {
            digits++;
        }

        return digits is > 0 and <= 4 ? length + digits : 0;
    }

    private void QuotedString(char quote)
    {
        StringBuilder value = new();
        for (_at++; _at < _source.Length; _at++)
        {
            char c = _source[_at];
            if (c == quote)
            {
                _at++;
                Add(TokenKind.String, value.ToString());
                return;
            }

            _line += c == '\n' ? 1 : 0;
            if (c != '\\' || _at + 1 >= _source.Length)
            {
                value.Append(c);
                continue;
            }

            Escape(_source[++_at], value);
        }

        throw Bad("a string has no end");
    }

    private void Escape(char c, StringBuilder value)
    {
        switch (c)
        {
            case 'n': value.Append('\n'); break;
            case 't': value.Append('\t'); break;
            case 'r': value.Append('\r'); break;
            case 'b': value.Append('\b'); break;
            case 'f': value.Append('\f'); break;
            case '\n': break;
            case '\\' or '\'' or '"': value.Append(c); break;
            case 'x' or 'u' or 'U':
                int digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
                if (_at + digits >= _source.Length
                    || !uint.TryParse(_source.AsSpan(_at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code)
                    || !Rune.IsValid(code))
                {
                    throw Bad("an escape is not a character");
                }

                value.Append(new Rune(code).ToString());
                _at += digits;
                break;
            default: value.Append('\\').Append(c); break;
        }
    }

    private void SkipNewline()
    {
        if (_at < _source.Length && _source[_at] == '\n')
        {
            _line++;
            _at++;
        }
    }

    private void Add(TokenKind kind, string value)
    {
        if (kind == TokenKind.Text && value.Length == 0)
        {
            return;
        }

        if (_tokens.Count >= MaxTokens)
        {
            throw new TemplateException(TemplateErrorCode.Limit, "the template has too many tokens");
        }

        _tokens.Add(new TemplateToken(kind, value, _line));
    }

    private TemplateException Bad(string what) => new(TemplateErrorCode.Syntax, $"line {_line}: {what}");
}
