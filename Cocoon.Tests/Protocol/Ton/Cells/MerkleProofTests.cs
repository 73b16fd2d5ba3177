using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.Cells;

public sealed class MerkleProofTests
{
    private static (Cell Root, Cell Left, Cell Right) Fork()
    {
        Cell left = new CellBuilder().StoreUtf8("left").Build();
        Cell right = new CellBuilder().StoreUtf8("right").StoreReference(left).Build();
        return (new CellBuilder().StoreUInt(5, 3).StoreReference(left).StoreReference(right).Build(), left, right);
    }

    [Test]
    public void Open_OfAProofWithAPrunedBranch_ShowsTheRestUnderTheSameHash()
    {
        (Cell root, Cell left, Cell right) = Fork();
        Cell pruned = new CellBuilder().StoreUInt(5, 3).StoreReference(left).StoreReference(MerkleProof.Prune(right)).Build();
        Cell proof = MerkleProof.Create(pruned);
        Assert.That(pruned.Hash, Is.Not.EqualTo(root.Hash));
        Assert.That(pruned.HashAt(0), Is.EqualTo(root.Hash));
        Cell opened = MerkleProof.Open(BocReader.ReadSingle(BocWriter.Write(proof)), root.Hash);
        Assert.That(opened.References[0], Is.EqualTo(left));
        Assert.Throws<TonException>(() => opened.References[1].BeginParse(), "a pruned branch has no data");
    }

    [Test]
    public void Open_OfAProofOfSomethingElse_IsProofInvalid()
    {
        (Cell root, Cell left, _) = Fork();
        Assert.That(Assert.Throws<TonException>(() => MerkleProof.Open(MerkleProof.Create(left), root.Hash))!.Code, Is.EqualTo(TonErrorCode.ProofInvalid));
        Assert.That(Assert.Throws<TonException>(() => MerkleProof.Open(root, root.Hash))!.Code, Is.EqualTo(TonErrorCode.ProofInvalid));
    }

    [Test]
    public void Construction_OfAMerkleCellWithAForeignHash_IsRefused()
    {
        (Cell root, Cell left, _) = Fork();
        CellBuilder forged = new CellBuilder().StoreUInt(3, 8).StoreHash(root.Hash).StoreUInt((ulong)left.Depth, 16).StoreReference(left);
        Assert.Throws<TonException>(() => forged.Build(exotic: true));
    }
}
