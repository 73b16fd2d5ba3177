namespace Cocoon.Protocol.Buffers;

/// <summary>What <see cref="Varint.Read"/> found.</summary>
public enum VarintStatus
{
    Done,
    NeedMore,

    /// <summary>Longer than 63 bits, or not minimal.</summary>
    Invalid,
}
