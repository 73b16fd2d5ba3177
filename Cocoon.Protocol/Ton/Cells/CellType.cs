namespace Cocoon.Protocol.Ton.Cells;

/// <summary>Kind of a cell; for exotic cells the value of the first data byte.</summary>
internal enum CellType : byte
{
    Ordinary = 0,
    Pruned = 1,
    Library = 2,
    MerkleProof = 3,
    MerkleUpdate = 4,
}
