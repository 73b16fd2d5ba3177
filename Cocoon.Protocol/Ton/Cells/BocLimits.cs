namespace Cocoon.Protocol.Ton.Cells;

/// <summary>What a bag of cells from a stranger may cost. A cell takes about 250 bytes of memory once parsed.</summary>
/// <remarks>Defaults: a message is at most 65,535 bytes and 8,192 cells; a basechain account 65,536 cells; proofs and states stay below 4 MiB.</remarks>
internal sealed record BocLimits
{
    public static BocLimits Default { get; } = new();

    public int MaxBytes { get; init; } = 4 * 1024 * 1024;

    public int MaxCells { get; init; } = 131_072;

    public int MaxRoots { get; init; } = 32;
}
