using System.Text.Json;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>The rules of JSON itself (RFC 8259), defined in a builder on first use.</summary>
/// <remarks>
/// Narrower than the RFC where a parser could stumble: no escaped surrogates, numbers that a double holds, and little white space, so
/// that a model cannot fill its answer with it.
/// </remarks>
internal sealed class JsonRules(GrammarBuilder builder)
{
    private const int MaxIndent = 16;
    private const int MoreDigits = 15;

    /// <summary>What must be escaped in a string, and DEL, which is better left out.</summary>
    public static readonly CharacterSet Escaped = CharacterSet.Of((0, 0x1F), ('"', '"'), ('\\', '\\'), (0x7F, 0x7F));

    private Reference? _value;
    private Reference? _object;
    private Reference? _array;

    public Reference Space => field ??= builder.Define("ws", Optional(OneOf(
        new Literal(" "), InOrder(new Literal("\n"), new Repeat(new Character(CharacterSet.Of(" \t")), 0, MaxIndent)))));

    public Reference Char => field ??= builder.Define("char", OneOf(
        new Character(CharacterSet.All.Except(Escaped)),
        InOrder(new Literal("\\"), OneOf(new Character(CharacterSet.Of("\"\\/bfnrt")), InOrder(new Literal("u"), NoSurrogate)))));

    public Reference String => field ??= builder.Define("string", Quoted(AnyNumber(Char)));

    public Reference Integer => field ??= builder.Define("integer", InOrder(Optional(new Literal("-")), Whole));

    public Reference Number => field ??= builder.Define("number", InOrder(
        Optional(new Literal("-")),
        Whole,
        Optional(Fraction),
        Optional(InOrder(new Character(CharacterSet.Of("eE")), Optional(new Character(CharacterSet.Of("+-"))), new Repeat(new Character(CharacterSet.Digits), 1, 2)))));

    public static GrammarNode Fraction { get; } = InOrder(new Literal("."), new Repeat(new Character(CharacterSet.Digits), 1, MoreDigits + 1));

    public static GrammarNode Boolean { get; } = OneOf(new Literal("true"), new Literal("false"));

    public static GrammarNode Null { get; } = new Literal("null");

    public Reference Value
    {
        get
        {
            if (_value is null)
            {
                _value = builder.Reserve("value");
                builder.Set(_value, OneOf(Object, Array, String, Number, Boolean, Null));
            }

            return _value;
        }
    }

    public Reference Object
    {
        get
        {
            if (_object is null)
            {
                _object = builder.Reserve("object");
                GrammarNode member = Member(String, Value);
                builder.Set(_object, Braced(Optional(InOrder(member, AnyNumber(InOrder(Comma, member))))));
            }

            return _object;
        }
    }

    public Reference Array
    {
        get
        {
            if (_array is null)
            {
                _array = builder.Reserve("array");
                builder.Set(_array, Bracketed(Optional(InOrder(Value, AnyNumber(InOrder(Comma, Value))))));
            }

            return _array;
        }
    }

    public GrammarNode Comma => InOrder(new Literal(","), Space);

    public static GrammarNode Quoted(GrammarNode content) => InOrder(new Literal("\""), content, new Literal("\""));

    public GrammarNode Braced(GrammarNode content) => InOrder(new Literal("{"), Space, content, Space, new Literal("}"));

    public GrammarNode Bracketed(GrammarNode content) => InOrder(new Literal("["), Space, content, Space, new Literal("]"));

    public GrammarNode Member(GrammarNode name, GrammarNode value) => InOrder(name, new Literal(":"), Space, value);

    /// <summary>The text of a JSON string with this content, quotes included.</summary>
    public static string Text(string content) => JsonSerializer.Serialize(content, Compact);

    /// <summary>Writes what need not be escaped as it is.</summary>
    public static readonly JsonSerializerOptions Compact = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static GrammarNode Whole { get; } = OneOf(
        new Literal("0"), InOrder(new Character(CharacterSet.Of(('1', '9'))), new Repeat(new Character(CharacterSet.Digits), 0, MoreDigits)));

    private static GrammarNode NoSurrogate { get; } = OneOf(
        InOrder(new Character(CharacterSet.Hex.Except(CharacterSet.Of("dD"))), new Repeat(new Character(CharacterSet.Hex), 3, 3)),
        InOrder(new Character(CharacterSet.Of("dD")), new Character(CharacterSet.Of(('0', '7'))), new Repeat(new Character(CharacterSet.Hex), 2, 2)));
}
