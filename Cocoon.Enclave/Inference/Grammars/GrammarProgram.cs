using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>What a state of a <see cref="GrammarProgram"/> does.</summary>
internal enum GrammarStep : byte
{
    /// <summary>Takes a character of a set.</summary>
    Character,

    /// <summary>Goes two ways.</summary>
    Split,

    /// <summary>Goes through another rule, then on.</summary>
    Call,

    /// <summary>Ends its rule.</summary>
    End,
}

/// <summary>One state.</summary>
/// <param name="Next">The state after it; for <see cref="GrammarStep.Split"/> one of the two ways.</param>
/// <param name="Argument">The other way, or the number of the set or rule.</param>
internal readonly record struct GrammarState(GrammarStep Step, int Next, int Argument);

/// <summary>A grammar as an automaton whose edges are characters and calls of rules (a recursive transition network). Immutable.</summary>
internal sealed class GrammarProgram
{
    /// <summary>Repetitions are written out, so a short grammar may need many: 16 MB of them.</summary>
    public const int MaxStates = 1_000_000;

    private readonly List<GrammarState> _states = [new(GrammarStep.End, 0, 0)];
    private readonly List<CharacterSet> _sets = [];
    private readonly Dictionary<int, int> _single = [];
    private readonly Dictionary<CharacterSet, int> _classes = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<int> _starts = [];
    private readonly List<bool> _nullable = [];

    private GrammarProgram(Dictionary<string, GrammarNode> rules, string root)
    {
        GrammarNode[] bodies = new GrammarNode[rules.Count];
        foreach ((string name, GrammarNode body) in rules)
        {
            bodies[_ids.Count] = body;
            _ids.Add(name, _ids.Count);
        }

        Root = _ids.TryGetValue(root, out int id) ? id : throw new GrammarException("", "the grammar has no start");
        _nullable.AddRange(Enumerable.Repeat(false, bodies.Length));
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = 0; i < bodies.Length; i++)
            {
                changed |= !_nullable[i] && (_nullable[i] = MayBeEmpty(bodies[i]));
            }
        }

        _starts.AddRange(Enumerable.Repeat(0, bodies.Length));
        for (int i = 0; i < bodies.Length; i++)
        {
            _starts[i] = Emit(bodies[i], 0);
        }

        Starts = [.. _starts];
        IsNullable = [.. _nullable];
        States = [.. _states];
        Sets = [.. _sets];
    }

    public GrammarState[] States { get; }

    public CharacterSet[] Sets { get; }

    /// <summary>The first state of each rule.</summary>
    public int[] Starts { get; }

    /// <summary>Whether a rule matches no text at all.</summary>
    public bool[] IsNullable { get; }

    public int Root { get; }

    /// <param name="gbnf">A grammar whose start is <c>root</c>.</param>
    /// <exception cref="GrammarException">Malformed, or too large.</exception>
    public static GrammarProgram Compile(string gbnf) => new(GbnfReader.Read(gbnf), "root");

    private bool MayBeEmpty(GrammarNode node) => EnsureStack() && node switch
    {
        Literal literal => literal.Text.Length == 0,
        Character => false,
        Reference reference => _nullable[Id(reference)],
        Sequence sequence => sequence.Parts.All(MayBeEmpty),
        Choice choice => choice.Alternatives.Any(MayBeEmpty),
        Repeat repeat => repeat.Least == 0 || MayBeEmpty(repeat.Part),
        _ => false,
    };

    /// <summary>States that match a part and go on at <paramref name="next"/>; where they begin.</summary>
    private int Emit(GrammarNode node, int next)
    {
        EnsureStack();
        switch (node)
        {
            case Literal literal:
                foreach (Rune rune in literal.Text.EnumerateRunes().Reverse())
                {
                    next = Add(GrammarStep.Character, next, Single(rune.Value));
                }

                return next;
            case Character character:
                return Add(GrammarStep.Character, next, Class(character.Set));
            case Reference reference:
                return Add(GrammarStep.Call, next, Id(reference));
            case Sequence sequence:
                for (int i = sequence.Parts.Length - 1; i >= 0; i--)
                {
                    next = Emit(sequence.Parts[i], next);
                }

                return next;
            case Choice choice:
                int[] ways = [.. choice.Alternatives.Select(a => Emit(a, next))];
                int way = ways.Length == 0 ? Add(GrammarStep.Character, next, Class(CharacterSet.Of())) : ways[^1];
                for (int i = ways.Length - 2; i >= 0; i--)
                {
                    way = Add(GrammarStep.Split, ways[i], way);
                }

                return way;
            case Repeat repeat:
                return Emit(repeat, next);
            default:
                throw new ArgumentException("unknown node", nameof(node));
        }
    }

    private int Emit(Repeat repeat, int next)
    {
        if (Math.Max(repeat.Least, repeat.Most ?? 1) > 1)
        {
            repeat = repeat with { Part = OfOneState(repeat.Part) };
        }

        int copies = repeat.Least;
        if (repeat.Most is { } most)
        {
            int after = next;
            for (int i = repeat.Least; i < most; i++)
            {
                next = Add(GrammarStep.Split, Emit(repeat.Part, next), after);
            }
        }
        else
        {
            // The loop's own turn is one of those that have to be.
            int loop = Add(GrammarStep.Split, next, next);
            int body = Emit(repeat.Part, loop);
            _states[loop] = new GrammarState(GrammarStep.Split, body, next);
            next = copies > 0 ? body : loop;
            copies = Math.Max(0, copies - 1);
        }

        for (int i = 0; i < copies; i++)
        {
            next = Emit(repeat.Part, next);
        }

        return next;
    }

    /// <summary>What is written out several times becomes a rule of its own: each copy is one state, and repetitions within repetitions do not multiply.</summary>
    private GrammarNode OfOneState(GrammarNode part)
    {
        if (part is Character or Reference)
        {
            return part;
        }

        string name = string.Create(CultureInfo.InvariantCulture, $"({_starts.Count})");
        _ids.Add(name, _starts.Count);
        _nullable.Add(MayBeEmpty(part));
        _starts.Add(0);
        int id = _ids[name];
        _starts[id] = Emit(part, 0);
        return new Reference(name);
    }

    private int Add(GrammarStep step, int next, int argument)
    {
        if (_states.Count >= MaxStates)
        {
            throw new GrammarException("", "the grammar is too large");
        }

        _states.Add(new GrammarState(step, next, argument));
        return _states.Count - 1;
    }

    private int Id(Reference reference) => _ids.TryGetValue(reference.Rule, out int id) ? id : throw new GrammarException("", "the grammar names a rule that it does not have");

    private int Single(int codePoint)
    {
        if (!_single.TryGetValue(codePoint, out int set))
        {
            _single[codePoint] = set = _sets.Count;
            _sets.Add(CharacterSet.Of((codePoint, codePoint)));
        }

        return set;
    }

    private int Class(CharacterSet characters)
    {
        if (!_classes.TryGetValue(characters, out int set))
        {
            _classes[characters] = set = _sets.Count;
            _sets.Add(characters);
        }

        return set;
    }

    private static bool EnsureStack() =>
        RuntimeHelpers.TryEnsureSufficientExecutionStack() ? true : throw new GrammarException("", "it is nested too deeply");
}
