using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>A part of the way from a trusted masterchain block to another: <c>liteServer.partialBlockProof</c>.</summary>
internal sealed record BlockProof(bool Complete, BlockId From, BlockId To, IReadOnlyList<BlockLink> Steps)
{
    /// <summary>A server sends 16 at a time.</summary>
    private const int MaxSteps = 64;

    public static BlockProof Read(ref TlReader reader)
    {
        bool complete = reader.ReadBool();
        BlockId from = BlockId.Read(ref reader);
        BlockId to = BlockId.Read(ref reader);
        int count = reader.ReadCount(2 * BlockId.Size);
        if (count > MaxSteps)
        {
            throw TonException.TooLarge($"block proof of {count} steps");
        }

        BlockLink[] steps = new BlockLink[count];
        foreach (ref BlockLink step in steps.AsSpan())
        {
            step = BlockLink.Read(ref reader);
        }

        return new BlockProof(complete, from, to, steps);
    }

    /// <summary>How far it leads from <paramref name="trusted"/>, and the last key block on the way, if there is one.</summary>
    /// <exception cref="TonException">ProofInvalid or Malformed: nothing of it is worth anything.</exception>
    public (BlockId Reached, BlockId? LastKeyBlock) Verify(BlockId trusted, LiteTonOptions options)
    {
        if (From != trusted)
        {
            throw new TonException(TonErrorCode.ProofInvalid, "the block proof starts elsewhere");
        }

        BlockId at = trusted;
        BlockId? keyBlock = null;
        foreach (BlockLink step in Steps)
        {
            if (step.From != at)
            {
                throw new TonException(TonErrorCode.ProofInvalid, "the block proof has a gap");
            }

            step.Verify(options);
            at = step.To;
            keyBlock = step.ToKeyBlock ? at : keyBlock;
        }

        return at == To || !Complete ? (at, keyBlock) : throw new TonException(TonErrorCode.ProofInvalid, "the block proof ends elsewhere than it says");
    }
}
