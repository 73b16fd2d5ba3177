using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>Collects the rules of a grammar and writes them as GBNF, llama.cpp's notation. Not thread-safe.</summary>
/// <remarks>Bounded: whatever a client's schema says, a grammar stays within <see cref="MaxRules"/> rules and <see cref="MaxText"/> characters.</remarks>
internal sealed class GrammarBuilder
{
    public const int MaxRules = 10_000;
    public const int MaxText = 1 << 20;

    /// <summary>Most that a repetition may count to.</summary>
    public const int MaxRepeat = 1_000_000;

    // A matcher writes each repetition out; longer ones are built of blocks.
    private const int Block = 1000;

    private readonly Dictionary<string, GrammarNode?> _rules = new(StringComparer.Ordinal);
    private readonly Dictionary<GrammarNode, Reference> _blocks = [];

    /// <summary>A name for a rule whose content comes later, by <see cref="Set"/>.</summary>
    /// <param name="hint">Letters, digits and hyphens of it are kept.</param>
    public Reference Reserve(string hint)
    {
        string name = new([.. hint.Where(c => char.IsAsciiLetterOrDigit(c) || c == '-').Take(32)]);
        name = name.Length == 0 || !char.IsAsciiLetter(name[0]) ? "r" + name : name;
        string unique = name;
        for (int i = _rules.Count; !_rules.TryAdd(unique, null); i++)
        {
            unique = string.Create(CultureInfo.InvariantCulture, $"{name}-{i}");
        }

        return _rules.Count <= MaxRules ? new Reference(unique) : throw new GrammarException("", $"the grammar needs more than {MaxRules} rules");
    }

    public void Set(Reference rule, GrammarNode content) => _rules[rule.Rule] = content;

    public Reference Define(string hint, GrammarNode content)
    {
        Reference rule = Reserve(hint);
        Set(rule, content);
        return rule;
    }

    /// <summary>The part between <paramref name="least"/> and <paramref name="most"/> times; <c>null</c>: without limit.</summary>
    public GrammarNode Times(GrammarNode part, int least, int? most)
    {
        if (least > MaxRepeat || most > MaxRepeat)
        {
            throw new GrammarException("", $"a repetition above {MaxRepeat} is not supported");
        }

        if (least <= Block && (most ?? 0) <= Block)
        {
            return new Repeat(part, least, most);
        }

        Reference one = part as Reference ?? BlockOf(part, () => part);
        GrammarNode exact = Exactly(one, least);
        return most is null ? InOrder(exact, AnyNumber(one)) : InOrder(exact, UpTo(one, most.Value - least));
    }

    /// <summary>The grammar's text with <paramref name="root"/> as its start.</summary>
    /// <exception cref="GrammarException">No text can satisfy it, or it is too large.</exception>
    public string Write(GrammarNode root)
    {
        HashSet<string> finite = [];
        for (int before = -1; before != finite.Count;)
        {
            before = finite.Count;
            finite.UnionWith(_rules.Where(r => r.Value is not null && Ends(r.Value, finite)).Select(r => r.Key));
        }

        if (!Ends(root, finite))
        {
            throw new GrammarException("", "no text can satisfy it");
        }

        StringBuilder text = new();
        text.Append("root ::= ");
        Write(Prune(root, finite), text, nested: false);
        text.Append('\n');
        foreach ((string name, GrammarNode? content) in _rules)
        {
            // What can never end is left out of every choice, so nothing refers to it.
            if (content is not null && finite.Contains(name))
            {
                text.Append(name).Append(" ::= ");
                Write(Prune(content, finite), text, nested: false);
                text.Append('\n');
            }
        }

        return text.Length <= MaxText ? text.ToString() : throw new GrammarException("", "the grammar is too large");
    }

    private GrammarNode Exactly(Reference one, int count)
    {
        if (count <= Block)
        {
            return new Repeat(one, count, count);
        }

        Reference block = BlockOf(new Repeat(one, Block, Block), () => new Repeat(one, Block, Block));
        return InOrder(Exactly(block, count / Block), new Repeat(one, count % Block, count % Block));
    }

    private GrammarNode UpTo(Reference one, int count)
    {
        if (count < Block)
        {
            return new Repeat(one, 0, count);
        }

        Reference block = BlockOf(new Repeat(one, Block, Block), () => new Repeat(one, Block, Block));
        Reference few = BlockOf(new Repeat(one, 0, Block - 1), () => new Repeat(one, 0, Block - 1));
        GrammarNode rest = new Repeat(one, 0, count % Block);
        for (int left = count / Block; left > 0; left--)
        {
            rest = Define("some", OneOf(InOrder(block, rest), few));
        }

        return rest;
    }

    private Reference BlockOf(GrammarNode key, Func<GrammarNode> content)
    {
        if (!_blocks.TryGetValue(key, out Reference? block))
        {
            _blocks[key] = block = Define("times", content());
        }

        return block;
    }

    private static bool Ends(GrammarNode node, HashSet<string> finite) => EnsureStack() && node switch
    {
        Reference reference => finite.Contains(reference.Rule),
        Sequence sequence => sequence.Parts.All(p => Ends(p, finite)),
        Choice choice => choice.Alternatives.Any(a => Ends(a, finite)),
        Repeat repeat => repeat.Least == 0 || Ends(repeat.Part, finite),
        Character character => !character.Set.IsEmpty,
        _ => true,
    };

    /// <summary>Whatever a schema nests, a grammar is refused before the stack ends.</summary>
    private static bool EnsureStack() =>
        RuntimeHelpers.TryEnsureSufficientExecutionStack() ? true : throw new GrammarException("", "it is nested too deeply");

    private static GrammarNode Prune(GrammarNode node, HashSet<string> finite) => node switch
    {
        Choice choice => OneOf([.. choice.Alternatives.Where(a => Ends(a, finite)).Select(a => Prune(a, finite))]),
        Sequence sequence => new Sequence([.. sequence.Parts.Select(p => Prune(p, finite))]),
        Repeat repeat => Ends(repeat.Part, finite) ? repeat with { Part = Prune(repeat.Part, finite) } : Nothing,
        _ => node,
    };

    private static void Write(GrammarNode node, StringBuilder text, bool nested)
    {
        if (text.Length > MaxText)
        {
            return;
        }

        switch (node)
        {
            case Literal literal:
                WriteLiteral(literal.Text, text);
                break;
            case Character character:
                WriteClass(character.Set, text);
                break;
            case Reference reference:
                text.Append(reference.Rule);
                break;
            case Sequence { Parts.IsEmpty: true }:
                text.Append("\"\"");
                break;
            case Sequence sequence:
                WriteList(sequence.Parts, " ", text, nested);
                break;
            case Choice choice:
                WriteList(choice.Alternatives, " | ", text, nested);
                break;
            case Repeat { Most: 0 }:
                text.Append("\"\"");
                break;
            case Repeat { Least: 1, Most: 1 } once:
                Write(once.Part, text, nested);
                break;
            case Repeat repeat:
                Write(repeat.Part, text, nested: true);
                text.Append((repeat.Least, repeat.Most) switch
                {
                    (0, 1) => "?",
                    (0, null) => "*",
                    (1, null) => "+",
                    (var least, null) => string.Create(CultureInfo.InvariantCulture, $"{{{least},}}"),
                    var (least, most) when least == most => string.Create(CultureInfo.InvariantCulture, $"{{{least}}}"),
                    var (least, most) => string.Create(CultureInfo.InvariantCulture, $"{{{least},{most}}}"),
                });
                break;
        }
    }

    private static void WriteList(IReadOnlyList<GrammarNode> nodes, string separator, StringBuilder text, bool nested)
    {
        text.Append(nested ? "(" : "");
        for (int i = 0; i < nodes.Count; i++)
        {
            text.Append(i == 0 ? "" : separator);
            Write(nodes[i], text, nested: true);
        }

        text.Append(nested ? ")" : "");
    }

    private static void WriteLiteral(string literal, StringBuilder text)
    {
        text.Append('"');
        foreach (Rune rune in literal.EnumerateRunes())
        {
            if (rune.Value is >= ' ' and <= '~' and not ('"' or '\\'))
            {
                text.Append((char)rune.Value);
            }
            else
            {
                WriteEscaped(rune.Value, text);
            }
        }

        text.Append('"');
    }

    private static void WriteClass(CharacterSet set, StringBuilder text)
    {
        text.Append('[');
        foreach ((int from, int to) in set.Ranges)
        {
            WriteEscaped(from, text);
            if (to > from)
            {
                text.Append('-');
                WriteEscaped(to, text);
            }
        }

        text.Append(']');
    }

    private static void WriteEscaped(int codePoint, StringBuilder text) => _ = codePoint switch
    {
        <= 0xFF => text.Append(CultureInfo.InvariantCulture, $"\\x{codePoint:X2}"),
        <= 0xFFFF => text.Append(CultureInfo.InvariantCulture, $"\\u{codePoint:X4}"),
        _ => text.Append(CultureInfo.InvariantCulture, $"\\U{codePoint:X8}"),
    };
}
