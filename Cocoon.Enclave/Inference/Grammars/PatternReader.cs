using System.Globalization;
using System.Text;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>A regular expression (ECMA-262, the regular part) as the content of a JSON string.</summary>
/// <remarks>No look-around, back-references, word borders or Unicode classes. Greedy and lazy mean the same here: a grammar has no preference.</remarks>
internal sealed class PatternReader(string pattern, GrammarBuilder builder, JsonRules json, string at)
{
    private const int MaxDepth = 32;

    private readonly Rune[] _text = [.. pattern.EnumerateRunes()];
    private int _at;
    private int _depth;

    /// <exception cref="GrammarException">Not a pattern, or beyond the regular part.</exception>
    public GrammarNode Read()
    {
        // JSON Schema searches: without anchors anything may stand around the match.
        bool isAnchoredAtStart = Take('^');
        GrammarNode content = Alternatives();
        bool isAnchoredAtEnd = Take('$');
        if (_at < _text.Length)
        {
            throw Fail("an anchor inside, or an unmatched bracket, is not supported");
        }

        GrammarNode anything = AnyNumber(json.Char);
        return InOrder(isAnchoredAtStart ? Nothing : anything, content, isAnchoredAtEnd ? Nothing : anything);
    }

    private GrammarNode Alternatives()
    {
        if (++_depth > MaxDepth)
        {
            throw Fail("the pattern is too deep");
        }

        List<GrammarNode> ways = [Terms()];
        while (Take('|'))
        {
            ways.Add(Terms());
        }

        _depth--;
        // With several ways the anchors would belong to the first and the last of them only.
        return ways.Count == 1 || _depth > 0 || !(pattern.StartsWith('^') || pattern.EndsWith('$'))
            ? OneOf([.. ways])
            : throw Fail("put alternatives between anchors into a group");
    }

    private Sequence Terms()
    {
        List<GrammarNode> parts = [];
        while (_at < _text.Length && Peek() is not ('|' or ')') && !(Peek() == '$' && _at == _text.Length - 1))
        {
            parts.Add(Quantified(Atom()));
        }

        return new Sequence([.. parts]);
    }

    private GrammarNode Atom()
    {
        int next = Next();
        switch (next)
        {
            case '(':
                if (Take('?') && !Take(':'))
                {
                    throw Fail("look-around and named groups are not supported");
                }

                GrammarNode group = Alternatives();
                return Take(')') ? group : throw Fail("a group is not closed");
            case '[':
                return Of(Class());
            case '.':
                return Of(CharacterSet.All.Except(CharacterSet.Of("\n\r\u2028\u2029")));
            case '\\':
                return Of(Escape());
            case '^' or '$' or '*' or '+' or '?' or '{':
                throw Fail("an anchor inside, or a quantifier without anything before it, is not supported");
            default:
                return Of(CharacterSet.Of((next, next)));
        }
    }

    private GrammarNode Quantified(GrammarNode atom)
    {
        (int Least, int? Most)? count = Peek() switch
        {
            '?' => (0, 1),
            '*' => (0, null),
            '+' => (1, null),
            _ => null,
        };
        if (count is not null)
        {
            _at++;
        }
        else if (Peek() == '{')
        {
            count = Braces();
        }
        else
        {
            return atom;
        }

        Take('?');
        return count.Value.Most < count.Value.Least
            ? throw Fail("a quantifier's numbers are out of order")
            : builder.Times(atom, count.Value.Least, count.Value.Most);
    }

    private (int Least, int? Most) Braces()
    {
        _at++;
        int least = Integer();
        int? most = least;
        if (Take(','))
        {
            most = Peek() == '}' ? null : Integer();
        }

        return Take('}') ? (least, most) : throw Fail("a quantifier is malformed");
    }

    private int Integer()
    {
        StringBuilder digits = new();
        while (Peek() is >= '0' and <= '9')
        {
            digits.Append((char)Next());
        }

        return digits.Length > 0 && int.TryParse(digits.ToString(), CultureInfo.InvariantCulture, out int value) && value <= GrammarBuilder.MaxRepeat
            ? value
            : throw Fail("a quantifier is malformed or too large");
    }

    private CharacterSet Class()
    {
        bool isNegated = Take('^');
        List<(int From, int To)> ranges = [];
        while (!Take(']'))
        {
            CharacterSet from = ClassItem();
            if (Peek() == '-' && _at + 1 < _text.Length && _text[_at + 1].Value != ']')
            {
                _at++;
                CharacterSet to = ClassItem();
                if (from.Ranges is not [var (low, same)] || low != same || to.Ranges is not [var (high, also)] || high != also || high < low)
                {
                    throw Fail("a range of a class is malformed");
                }

                from = CharacterSet.Of((low, high));
            }

            ranges.AddRange(from.Ranges);
        }

        // Together at the end: one by one, a class of many characters would take the square of their number.
        CharacterSet set = CharacterSet.Of([.. ranges]);
        return isNegated ? set.Complement() : set;
    }

    private CharacterSet ClassItem()
    {
        int next = Next();
        return next == '\\' ? Escape() : CharacterSet.Of((next, next));
    }

    private CharacterSet Escape()
    {
        int next = Next();
        return next switch
        {
            'd' => CharacterSet.Digits,
            'D' => CharacterSet.Digits.Complement(),
            'w' => CharacterSet.Word,
            'W' => CharacterSet.Word.Complement(),
            's' => CharacterSet.Space,
            'S' => CharacterSet.Space.Complement(),
            'n' => CharacterSet.Of("\n"),
            'r' => CharacterSet.Of("\r"),
            't' => CharacterSet.Of("\t"),
            'f' => CharacterSet.Of("\f"),
            'v' => CharacterSet.Of("\v"),
            'x' => HexEscape(2),
            'u' => HexEscape(4),
            _ when next < 0x80 && !char.IsAsciiLetterOrDigit((char)next) => CharacterSet.Of((next, next)),
            _ => throw Fail("an escape is not supported"),
        };
    }

    private CharacterSet HexEscape(int length)
    {
        int value = 0;
        for (int i = 0; i < length; i++)
        {
            int digit = Next();
            value = digit < 0x80 && char.IsAsciiHexDigit((char)digit)
                ? (value * 16) + Convert.ToInt32(((char)digit).ToString(), 16)
                : throw Fail("a hexadecimal escape is malformed");
        }

        return value is >= 0xD800 and <= 0xDFFF ? throw Fail("an escaped surrogate is not supported") : CharacterSet.Of((value, value));
    }

    /// <summary>One character of the string's value, as JSON writes it.</summary>
    private static GrammarNode Of(CharacterSet set)
    {
        CharacterSet plain = set.Except(JsonRules.Escaped);
        List<GrammarNode> ways = plain.IsEmpty ? [] : [new Character(plain)];
        foreach ((char value, string written) in (ReadOnlySpan<(char, string)>)[('"', "\\\""), ('\\', "\\\\"), ('\n', "\\n"), ('\r', "\\r"), ('\t', "\\t"), ('\f', "\\f"), ('\b', "\\b")])
        {
            if (set.Contains(value))
            {
                ways.Add(new Literal(written));
            }
        }

        return OneOf([.. ways]);
    }

    private int Peek() => _at < _text.Length ? _text[_at].Value : -1;

    private int Next() => _at < _text.Length ? _text[_at++].Value : throw Fail("the pattern ends too early");

    private bool Take(char wanted)
    {
        bool isThere = Peek() == wanted;
        _at += isThere ? 1 : 0;
        return isThere;
    }

    private GrammarException Fail(string message) => new(at, message);
}
