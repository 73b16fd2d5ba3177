using System.Collections.Frozen;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>Contents of strings with a <c>format</c>; each grammar accepts a part of what the format's specification does.</summary>
internal static class StringFormats
{
    private static readonly GrammarNode Digit = new Character(CharacterSet.Digits);

    private static readonly FrozenDictionary<string, GrammarNode> Known = new Dictionary<string, GrammarNode>
    {
        ["date"] = Date(),
        ["time"] = Time(),
        ["date-time"] = InOrder(Date(), new Literal("T"), Time()),
        ["duration"] = Duration(),
        ["uuid"] = InOrder(Hex(8), Dash(), Hex(4), Dash(), Hex(4), Dash(), Hex(4), Dash(), Hex(12)),
        ["ipv4"] = InOrder(Byte(), Dot(), Byte(), Dot(), Byte(), Dot(), Byte()),
        ["ipv6"] = InOrder(Group(), new Repeat(InOrder(new Literal(":"), Group()), 7, 7)),
        ["hostname"] = Host(),
        ["email"] = InOrder(Atom(), new Repeat(InOrder(Dot(), Atom()), 0, 3), new Literal("@"), Host()),
    }.ToFrozenDictionary();

    /// <summary><c>null</c>: not one that is kept; JSON Schema calls it an annotation then.</summary>
    public static GrammarNode? Find(string format) => Known.GetValueOrDefault(format);

    private static GrammarNode Date() => InOrder(
        new Repeat(Digit, 4, 4),
        Dash(),
        OneOf(
            InOrder(OneOf(Two('0', '1', '9'), Two('1', '0', '2')), Dash(), OneOf(Two('0', '1', '9'), Two('1', '0', '9'), Two('2', '0', '8'))),
            InOrder(OneOf(new Literal("01"), Two('0', '3', '9'), Two('1', '0', '2')), Dash(), OneOf(new Literal("29"), new Literal("30"))),
            InOrder(
                OneOf([.. new[] { "01", "03", "05", "07", "08", "10", "12" }.Select(m => new Literal(m))]), new Literal("-31"))));

    private static GrammarNode Time() => InOrder(
        Hour(),
        new Literal(":"),
        Sixty(),
        new Literal(":"),
        Sixty(),
        Optional(InOrder(Dot(), new Repeat(Digit, 1, 6))),
        OneOf(new Literal("Z"), InOrder(new Character(CharacterSet.Of("+-")), Hour(), new Literal(":"), Sixty())));

    private static GrammarNode Duration()
    {
        GrammarNode Count(string unit) => InOrder(new Repeat(Digit, 1, 4), new Literal(unit));
        GrammarNode time = InOrder(
            new Literal("T"),
            OneOf(
                InOrder(Count("H"), Optional(InOrder(Count("M"), Optional(Count("S"))))), InOrder(Count("M"), Optional(Count("S"))), Count("S")));
        GrammarNode date = OneOf(
            InOrder(Count("Y"), Optional(InOrder(Count("M"), Optional(Count("D"))))), InOrder(Count("M"), Optional(Count("D"))), Count("D"));
        return InOrder(new Literal("P"), OneOf(InOrder(date, Optional(time)), time, Count("W")));
    }

    private static GrammarNode Host()
    {
        GrammarNode letter = new Character(CharacterSet.Of(('a', 'z'), ('A', 'Z'), ('0', '9')));
        GrammarNode inner = new Character(CharacterSet.Of(('a', 'z'), ('A', 'Z'), ('0', '9'), ('-', '-')));
        GrammarNode label = InOrder(letter, Optional(InOrder(new Repeat(inner, 0, 30), letter)));
        return InOrder(label, new Repeat(InOrder(Dot(), label), 0, 5));
    }

    private static Repeat Atom() => new Repeat(new Character(CharacterSet.Of(('a', 'z'), ('A', 'Z'), ('0', '9')).Union(CharacterSet.Of("_-+"))), 1, 20);

    private static GrammarNode Hour() => OneOf(InOrder(new Character(CharacterSet.Of("01")), Digit), Two('2', '0', '3'));

    private static GrammarNode Sixty() => InOrder(new Character(CharacterSet.Of(('0', '5'))), Digit);

    private static GrammarNode Byte() => WholeNumbers.Between(0, 255);

    private static Repeat Group() => new Repeat(new Character(CharacterSet.Hex), 1, 4);

    private static Repeat Hex(int count) => new Repeat(new Character(CharacterSet.Hex), count, count);

    private static GrammarNode Two(char tens, char from, char to) => InOrder(new Literal(tens.ToString()), new Character(CharacterSet.Of((from, to))));

    private static Literal Dash() => new("-");

    private static Literal Dot() => new(".");
}
