using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>Reads the part of GBNF, llama.cpp's notation of grammars, that <see cref="GrammarBuilder"/> writes.</summary>
/// <remarks>
/// <code>
/// rule ::= way | way        a line each; the start is root
/// "text"  [a-z\x22]  name  ( … )   each with  ?  *  +  {n}  {n,}  {n,m}  behind it
/// \xHH  \uHHHH  \UHHHHHHHH         characters in texts and classes
/// </code>
/// </remarks>
internal sealed class GbnfReader
{
    private readonly string _text;
    private int _at;

    private GbnfReader(string text) => _text = text;

    /// <exception cref="GrammarException">Not of this notation.</exception>
    public static Dictionary<string, GrammarNode> Read(string text)
    {
        GbnfReader reader = new(text);
        Dictionary<string, GrammarNode> rules = new(StringComparer.Ordinal);
        while (reader.SkipLines())
        {
            string name = reader.Name();
            reader.Expect("::=");
            if (!rules.TryAdd(name, reader.Ways()) || reader.Peek() != '\n')
            {
                throw reader.Malformed();
            }
        }

        return rules;
    }

    private GrammarNode Ways()
    {
        RequireStack();
        List<GrammarNode> ways = [Way()];
        while (Take('|'))
        {
            ways.Add(Way());
        }

        return OneOf([.. ways]);
    }

    private GrammarNode Way()
    {
        List<GrammarNode> parts = [];
        while (Peek() is '"' or '[' or '(' || char.IsAsciiLetter(Peek()))
        {
            parts.Add(Counted(Part()));
        }

        return InOrder([.. parts]);
    }

    private GrammarNode Part()
    {
        if (Take('('))
        {
            GrammarNode group = Ways();
            return Take(')') ? group : throw Malformed();
        }

        return Peek() switch
        {
            '"' => Text(),
            '[' => Class(),
            _ => new Reference(Name()),
        };
    }

    private GrammarNode Counted(GrammarNode part)
    {
        // A quantifier stands right behind its part.
        switch (_at < _text.Length ? _text[_at] : '\n')
        {
            case '?':
                _at++;
                return Optional(part);
            case '*':
                _at++;
                return AnyNumber(part);
            case '+':
                _at++;
                return new Repeat(part, 1, null);
            case '{':
                _at++;
                int least = Integer();
                int? most = Take(',') ? Peek() == '}' ? null : Integer() : least;
                return Take('}') && !(most < least) ? new Repeat(part, least, most) : throw Malformed();
            default:
                return part;
        }
    }

    private Literal Text()
    {
        StringBuilder text = new();
        for (_at++; !IsAt('"');)
        {
            text.Append(char.ConvertFromUtf32(Symbol()));
        }

        _at++;
        return new Literal(text.ToString());
    }

    private Character Class()
    {
        List<(int From, int To)> ranges = [];
        for (_at++; !IsAt(']');)
        {
            int from = Symbol();
            int to = from;
            if (IsAt('-'))
            {
                _at++;
                to = Symbol();
            }

            ranges.Add((from, to));
        }

        _at++;
        return new Character(CharacterSet.Of([.. ranges]));
    }

    /// <summary>A code point: written itself, or as an escape.</summary>
    private int Symbol()
    {
        if (_at >= _text.Length || _text[_at] == '\n')
        {
            throw Malformed();
        }

        if (_text[_at] != '\\')
        {
            int value = char.IsSurrogatePair(_text, _at) ? char.ConvertToUtf32(_text, _at) : _text[_at];
            _at += value > char.MaxValue ? 2 : 1;
            return value;
        }

        int digits = _at + 1 < _text.Length ? _text[_at + 1] switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 } : 0;
        if (digits == 0 || _at + 2 + digits > _text.Length
            || !int.TryParse(_text.AsSpan(_at + 2, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int escaped)
            || escaped is < 0 or > CharacterSet.Last)
        {
            throw Malformed();
        }

        _at += 2 + digits;
        return escaped;
    }

    private string Name()
    {
        Peek();
        int from = _at;
        while (_at < _text.Length && (char.IsAsciiLetterOrDigit(_text[_at]) || _text[_at] == '-'))
        {
            _at++;
        }

        return _at > from ? _text[from.._at] : throw Malformed();
    }

    private int Integer()
    {
        Peek();
        int from = _at;
        while (_at < _text.Length && char.IsAsciiDigit(_text[_at]))
        {
            _at++;
        }

        return int.TryParse(_text.AsSpan(from, _at - from), NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value <= GrammarBuilder.MaxRepeat ? value : throw Malformed();
    }

    /// <summary><c>false</c> at the end of the text.</summary>
    private bool SkipLines()
    {
        while (_at < _text.Length && _text[_at] is ' ' or '\n')
        {
            _at++;
        }

        return _at < _text.Length;
    }

    /// <summary>The next character of this line, without blanks; a line feed at its end.</summary>
    private char Peek()
    {
        while (_at < _text.Length && _text[_at] == ' ')
        {
            _at++;
        }

        return _at < _text.Length ? _text[_at] : '\n';
    }

    private bool Take(char wanted)
    {
        bool isThere = Peek() == wanted;
        _at += isThere ? 1 : 0;
        return isThere;
    }

    private void Expect(string wanted)
    {
        Peek();
        _at += string.CompareOrdinal(_text, _at, wanted, 0, wanted.Length) == 0 ? wanted.Length : throw Malformed();
    }

    private bool IsAt(char wanted) => _at < _text.Length && _text[_at] == wanted;

    private GrammarException Malformed() => new("", string.Create(CultureInfo.InvariantCulture, $"the grammar is malformed at character {_at}"));

    private static void RequireStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new GrammarException("", "it is nested too deeply");
        }
    }
}
