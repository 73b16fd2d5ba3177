using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Tests.Protocol.Ton.LiteClient;

/// <summary>A set of validators whose keys the tests hold. Weights: 100 to the first, 101 to the second and so on.</summary>
internal sealed class TestValidators(int seed, int count, int main, bool shuffled = true)
{
    public const uint Until = ProofChain.Time + 1000;

    private readonly Ed25519PrivateKey[] _keys =
        [.. Enumerable.Range(0, count).Select(i => Ed25519PrivateKey.FromSeed(SHA256.HashData([(byte)seed, (byte)i, (byte)(i >> 8)])))];

    /// <summary>One consensus session of the set.</summary>
    internal sealed record Session(uint CatchainSeqno, uint SetHash);

    public int Main => main;

    public Session SessionOf(uint catchainSeqno) => new(catchainSeqno, new Reader(this).Read().Of(catchainSeqno).ShortHash);

    /// <summary>The configuration dictionary that puts these validators in charge.</summary>
    public Cell Config(TestValidators? temporary = null)
    {
        Hashmap config = new(32);
        Cell catchain = new CellBuilder().StoreUInt(0xC2, 8).StoreUInt(0, 7).StoreBit(shuffled).StoreUInt(0, 32).StoreUInt(0, 32).StoreUInt(0, 32).StoreUInt(0, 32).Build();
        config.Set(21, new CellBuilder().StoreReference(Cell.Empty).Build());
        config.Set(28, new CellBuilder().StoreReference(catchain).Build());
        config.Set(34, new CellBuilder().StoreReference(SetCell()).Build());
        if (temporary is not null)
        {
            config.Set(35, new CellBuilder().StoreReference(temporary.SetCell()).Build());
        }

        return config.ToCell()!;
    }

    /// <summary>TL of a signature set over <paramref name="block"/>.</summary>
    /// <param name="signers">Indexes into the list; the same twice signs twice.</param>
    public byte[] Sign(BlockId block, Session session, bool simplex, IEnumerable<int> signers)
    {
        byte[] candidate = Candidate(block);
        CellHash sessionId = new(SHA256.HashData([1, 2, 3]));
        byte[] signedBytes = simplex
            ? new TlWriter().UInt32(0xA8E33DF8).Int256(sessionId).Bytes(
                new TlWriter().UInt32(0x40A7E105).UInt32(0xB691CD3F).UInt32(77).Int256(new CellHash(SHA256.HashData(candidate))).ToArray()).ToArray()
            : new TlWriter().UInt32(0xC50B6E70).Int256(block.RootHash).Int256(block.FileHash).ToArray();
        TlWriter set = simplex
            ? new TlWriter().UInt32(0xAC249800).UInt32(session.CatchainSeqno).UInt32(session.SetHash)
            : new TlWriter().UInt32(0xF644A6E6).UInt32(session.SetHash).UInt32(session.CatchainSeqno);
        int[] indexes = [.. signers];
        set.UInt32((uint)indexes.Length);
        foreach (int index in indexes)
        {
            set.Int256(Cocoon.Protocol.Ton.Adnl.AdnlHandshake.KeyId(_keys[index].PublicKey.Bytes)).Bytes(_keys[index].Sign(signedBytes));
        }

        return simplex ? set.Int256(sessionId).UInt32(77).Bytes(candidate).ToArray() : set.ToArray();
    }

    private static byte[] Candidate(BlockId block)
    {
        TlWriter candidate = new TlWriter().UInt32(0xE8F9BCDC);
        block.Write(candidate);
        return candidate.Int256(default).UInt32(0).ToArray();
    }

    /// <summary><c>validators_ext#12</c>.</summary>
    private Cell SetCell()
    {
        Hashmap list = new(16);
        ulong total = 0;
        for (int i = 0; i < _keys.Length; i++)
        {
            ulong weight = 100 + (ulong)i;
            total += weight;
            list.Set(i, new CellBuilder().StoreUInt(0x73, 8).StoreUInt(0x8E81278A, 32).StoreBytes(_keys[i].PublicKey.Bytes).StoreUInt(weight, 64)
                .StoreHash(new CellHash(SHA256.HashData([9, (byte)i]))).Build());
        }

        return new CellBuilder().StoreUInt(0x12, 8).StoreUInt(ProofChain.Time - 1000, 32).StoreUInt(Until, 32)
            .StoreUInt((ulong)_keys.Length, 16).StoreUInt((ulong)main, 16).StoreUInt(total, 64).StoreMaybeReference(list.ToCell()).Build();
    }

    /// <summary>Reads the set back the way the client does, from a key block.</summary>
    private sealed class Reader(TestValidators validators)
    {
        public ValidatorSet Read()
        {
            Cell block = TestBlocks.Block(TestBlocks.Header(1, isKey: true, ProofChain.Time, null), Cell.Empty, TestBlocks.Extra(validators.Config()));
            return ValidatorSet.Read(ProvenBlock.Open(TestBlocks.IdOf(1, block), BocReader.ReadSingle(TestBlocks.ConfigProof(block))));
        }
    }
}
