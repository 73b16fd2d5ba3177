namespace Cocoon.Node.Models;

/// <summary>What a model wants of the memory.</summary>
/// <param name="Layers">Asked for on GPUs; 0: none, -1: all that fit.</param>
/// <param name="Devices">Names; empty: every GPU.</param>
/// <param name="Shares">Of each of them; empty: by free memory.</param>
internal sealed record PlacementWish(int Layers, IReadOnlyList<string> Devices, IReadOnlyList<float> Shares)
{
    public static PlacementWish Cpu { get; } = new(0, [], []);
}
