using System.Security.Cryptography;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Contracts;

/// <summary>What is signed is the hash of one ordinary cell without references: SHA-256(00 ‖ 2 · length ‖ data), no cell library needed.</summary>
internal static class StatementDigest
{
    public static byte[] Compute(ReadOnlySpan<byte> statement)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(statement.Length, Cell.MaxBits / 8, nameof(statement));
        Span<byte> cell = stackalloc byte[2 + statement.Length];
        cell[0] = 0;
        cell[1] = (byte)(2 * statement.Length);
        statement.CopyTo(cell[2..]);
        return SHA256.HashData(cell);
    }
}
