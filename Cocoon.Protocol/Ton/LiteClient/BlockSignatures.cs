using System.Security.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>Who signed a block: <c>liteServer.SignatureSet</c> of the older consensus, or of Simplex (since April 2026).</summary>
internal sealed class BlockSignatures
{
    private const int MaxSignatures = 1024;
    private const int SignatureSize = 64;

    private readonly IReadOnlyList<(CellHash Signer, byte[] Signature)> _signatures;
    private readonly Vote? _vote;

    private BlockSignatures(uint validatorSetHash, uint catchainSeqno, IReadOnlyList<(CellHash, byte[])> signatures, Vote? vote)
    {
        ValidatorSetHash = validatorSetHash;
        CatchainSeqno = catchainSeqno;
        _signatures = signatures;
        _vote = vote;
    }

    public uint ValidatorSetHash { get; }

    public uint CatchainSeqno { get; }

    public static BlockSignatures Read(ref TlReader reader)
    {
        switch (reader.ReadUInt32())
        {
            case TlConstructors.SignatureSetOrdinary:
                // The two forms have these fields in opposite order.
                uint hash = reader.ReadUInt32();
                uint seqno = reader.ReadUInt32();
                return new BlockSignatures(hash, seqno, ReadSignatures(ref reader), null);
            case TlConstructors.SignatureSetSimplex:
                seqno = reader.ReadUInt32();
                hash = reader.ReadUInt32();
                IReadOnlyList<(CellHash, byte[])> signatures = ReadSignatures(ref reader);
                return new BlockSignatures(hash, seqno, signatures, new Vote(reader.ReadInt256(), reader.ReadUInt32(), reader.ReadBytes().ToArray()));
            case var unknown:
                throw TonException.Malformed($"block signatures of the unknown form {unknown:x8}");
        }
    }

    /// <summary>More than two thirds of the validators' weight has signed this very block; a signature too many or wrong spoils all.</summary>
    /// <exception cref="TonException">ProofInvalid.</exception>
    public void Verify(BlockId block, ValidatorSet set)
    {
        (IReadOnlyList<ValidatorSet.Validator> validators, uint shortHash) = set.Of(CatchainSeqno);
        if (shortHash != ValidatorSetHash)
        {
            throw Invalid("the block is signed by another set of validators");
        }

        Dictionary<CellHash, ValidatorSet.Validator> byId = [];
        UInt128 total = 0;
        foreach (ValidatorSet.Validator validator in validators)
        {
            byId[validator.ShortId] = validator;
            total += validator.Weight;
        }

        byte[] signedBytes = _vote is { } vote ? vote.SignedBytes(block) : OrdinarySignedBytes(block);
        UInt128 signed = 0;
        foreach ((CellHash signer, byte[] signature) in _signatures)
        {
            // Removed as they come: the second signature of one validator is a stranger's.
            if (!byId.Remove(signer, out ValidatorSet.Validator? validator))
            {
                throw Invalid("a signature of nobody in the set, or a second one");
            }

            if (!validator.Key.Verify(signedBytes, signature))
            {
                throw Invalid("a validator's signature is wrong");
            }

            signed += validator.Weight;
        }

        if (signed * 3 <= total * 2)
        {
            throw Invalid($"validators with {signed} of {total} weight have signed, more than two thirds are needed");
        }
    }

    private static List<(CellHash, byte[])> ReadSignatures(ref TlReader reader)
    {
        int count = reader.ReadCount(CellHash.Size + SignatureSize);
        if (count > MaxSignatures)
        {
            throw TonException.TooLarge($"{count} block signatures");
        }

        List<(CellHash, byte[])> signatures = new(count);
        for (int i = 0; i < count; i++)
        {
            signatures.Add((reader.ReadInt256(), reader.ReadBytes().ToArray()));
        }

        return signatures;
    }

    private static byte[] OrdinarySignedBytes(BlockId block) =>
        new TlWriter().UInt32(TlConstructors.SignedBlockId).Int256(block.RootHash).Int256(block.FileHash).ToArray();

    private static TonException Invalid(string message) => new(TonErrorCode.ProofInvalid, message);

    /// <summary>What Simplex validators sign: that a slot is final, with a candidate that names the block.</summary>
    private sealed record Vote(CellHash Session, uint Slot, byte[] Candidate)
    {
        public byte[] SignedBytes(BlockId block)
        {
            TlReader candidate = new(Candidate);
            if (candidate.ReadUInt32() is not (TlConstructors.CandidateOrdinary or TlConstructors.CandidateEmpty) || BlockId.Read(ref candidate) != block)
            {
                throw Invalid("the signed candidate names another block");
            }

            byte[] vote = new TlWriter().UInt32(TlConstructors.FinalizeVote)
                .UInt32(TlConstructors.CandidateId).UInt32(Slot).Int256(new CellHash(SHA256.HashData(Candidate))).ToArray();
            return new TlWriter().UInt32(TlConstructors.DataToSign).Int256(Session).Bytes(vote).ToArray();
        }
    }
}
