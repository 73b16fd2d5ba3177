using System.Collections.Immutable;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>A piece of a grammar over text. A closed set.</summary>
internal abstract record GrammarNode
{
    private GrammarNode()
    {
    }

    public static GrammarNode Nothing { get; } = new Sequence([]);

    public static GrammarNode InOrder(params ReadOnlySpan<GrammarNode> parts) => parts.Length == 1 ? parts[0] : new Sequence([.. parts]);

    public static GrammarNode OneOf(params ReadOnlySpan<GrammarNode> alternatives) =>
        alternatives.Length == 1 ? alternatives[0] : new Choice([.. alternatives]);

    public static GrammarNode Optional(GrammarNode part) => new Repeat(part, 0, 1);

    public static GrammarNode AnyNumber(GrammarNode part) => new Repeat(part, 0, null);

    /// <summary>Exactly this text; nothing when empty.</summary>
    public sealed record Literal(string Text) : GrammarNode;

    /// <summary>One code point out of a set.</summary>
    public sealed record Character(CharacterSet Set) : GrammarNode;

    public sealed record Reference(string Rule) : GrammarNode;

    public sealed record Sequence(ImmutableArray<GrammarNode> Parts) : GrammarNode;

    /// <summary>No alternative: nothing matches.</summary>
    public sealed record Choice(ImmutableArray<GrammarNode> Alternatives) : GrammarNode;

    /// <summary>Most <c>null</c>: no limit. Both numbers at most <see cref="GrammarBuilder.MaxRepeat"/>.</summary>
    public sealed record Repeat(GrammarNode Part, int Least, int? Most) : GrammarNode;
}
