namespace Cocoon.Protocol.Ton.Cells;

/// <summary>Merkle proofs: a tree in which what does not matter is pruned, under the hash of the whole.</summary>
internal static class MerkleProof
{
    /// <summary>The virtual root of a proof, after checking that it stands for <paramref name="expected"/>.</summary>
    /// <exception cref="TonException">Not a Merkle proof, or a proof of something else.</exception>
    public static Cell Open(Cell proof, CellHash expected)
    {
        Cell root = Open(proof);
        return root.HashAt(0) == expected
            ? root
            : throw new TonException(TonErrorCode.ProofInvalid, $"Merkle proof of {root.HashAt(0)} where {expected} was expected");
    }

    /// <summary>The virtual root; its level-0 hash is what the proof stands for.</summary>
    public static Cell Open(Cell proof) =>
        proof.Type == CellType.MerkleProof
            ? proof.References[0]
            : throw new TonException(TonErrorCode.ProofInvalid, $"{proof.Type} cell where a Merkle proof was expected");

    /// <summary>Wraps a (partly pruned) tree as a proof.</summary>
    public static Cell Create(Cell virtualRoot) =>
        new CellBuilder().StoreUInt(3, 8).StoreHash(virtualRoot.HashAt(0)).StoreUInt((ulong)virtualRoot.DepthAt(0), 16)
            .StoreReference(virtualRoot).Build(exotic: true);

    /// <summary>The pruned branch that stands for <paramref name="cell"/> (of level 0) in a proof.</summary>
    public static Cell Prune(Cell cell) =>
        cell.LevelMask == 0
            ? new CellBuilder().StoreUInt(1, 8).StoreUInt(1, 8).StoreHash(cell.Hash).StoreUInt((ulong)cell.Depth, 16).Build(exotic: true)
            : throw new ArgumentException("Only cells of level 0 are pruned here.", nameof(cell));
}
