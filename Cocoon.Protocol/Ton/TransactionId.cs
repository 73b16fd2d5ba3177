using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton;

/// <summary>Names a transaction of an account: logical time and hash of its cell. Logical time 0: none yet.</summary>
internal readonly record struct TransactionId(ulong LogicalTime, CellHash Hash)
{
    public override string ToString() => $"{LogicalTime}:{Hash}";
}
