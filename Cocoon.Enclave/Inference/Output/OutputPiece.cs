namespace Cocoon.Enclave.Inference.Output;

/// <summary>A part of what a model says, told apart by its meaning. A closed set.</summary>
internal abstract record OutputPiece
{
    private OutputPiece()
    {
    }

    public sealed record Text(string Delta) : OutputPiece;

    public sealed record Reasoning(string Delta) : OutputPiece;

    /// <summary>A call begins; its arguments follow in <see cref="CallArguments"/> with the same index.</summary>
    public sealed record CallStart(int Index, string Id, string Name) : OutputPiece;

    /// <param name="Delta">Next part of the arguments' JSON text.</param>
    public sealed record CallArguments(int Index, string Delta) : OutputPiece;
}

/// <summary>What a parser is in the middle of.</summary>
internal enum OutputPart
{
    Text = 0,
    Reasoning = 1,
    Call = 2,
}
