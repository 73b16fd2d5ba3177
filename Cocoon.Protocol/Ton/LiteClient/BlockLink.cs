using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>One step of a proof between masterchain blocks: <c>liteServer.BlockLink</c>.</summary>
internal abstract record BlockLink(bool ToKeyBlock, BlockId From, BlockId To)
{
    private static readonly BocLimits s_limits = new() { MaxBytes = Adnl.AdnlConnection.MaxPacket, MaxCells = 200_000, MaxRoots = 1 };

    /// <summary>Whether <see cref="To"/> is as good as <see cref="From"/>.</summary>
    /// <exception cref="TonException">It is not shown to be.</exception>
    public void Verify(LiteTonOptions options)
    {
        if (From is not { Workchain: BlockId.Masterchain, Shard: BlockId.WholeShard } || To is not { Workchain: BlockId.Masterchain, Shard: BlockId.WholeShard })
        {
            throw Invalid("a link between blocks outside the masterchain");
        }

        VerifyStep(options);
    }

    public static BlockLink Read(ref TlReader reader)
    {
        uint constructor = reader.ReadUInt32();
        if (constructor is not (TlConstructors.BlockLinkForward or TlConstructors.BlockLinkBack))
        {
            throw TonException.Malformed($"block link of the unknown form {constructor:x8}");
        }

        bool toKeyBlock = reader.ReadBool();
        BlockId from = BlockId.Read(ref reader);
        BlockId to = BlockId.Read(ref reader);
        byte[] destination = reader.ReadBytes().ToArray();
        byte[] proof = reader.ReadBytes().ToArray();
        return constructor == TlConstructors.BlockLinkForward
            ? new Forward(toKeyBlock, from, to, destination, proof, BlockSignatures.Read(ref reader))
            : new Back(toKeyBlock, from, to, destination, proof, reader.ReadBytes().ToArray());
    }

    protected abstract void VerifyStep(LiteTonOptions options);

    private ProvenBlock OpenDestination(byte[] proof)
    {
        ProvenBlock destination = ProvenBlock.Open(To, BocReader.ReadSingle(proof, s_limits));
        return destination.IsKeyBlock == ToKeyBlock ? destination : throw Invalid("the link calls a key block an ordinary one, or the reverse");
    }

    private static TonException Invalid(string message) => new(TonErrorCode.ProofInvalid, message);

    /// <summary>From a key block to a later block, by the signatures of the validators that the key block names.</summary>
    internal sealed record Forward(bool ToKeyBlock, BlockId From, BlockId To, byte[] DestinationProof, byte[] ConfigProof, BlockSignatures Signatures)
        : BlockLink(ToKeyBlock, From, To)
    {
        protected override void VerifyStep(LiteTonOptions options)
        {
            if (To.Seqno <= From.Seqno)
            {
                throw Invalid("a forward link that does not go forward");
            }

            ProvenBlock destination = OpenDestination(DestinationProof);
            ProvenBlock source = ProvenBlock.Open(From, BocReader.ReadSingle(ConfigProof, s_limits));
            if (!source.IsKeyBlock)
            {
                throw Invalid("a forward link from a block that is no key block");
            }

            if (destination.ValidatorSetHash != Signatures.ValidatorSetHash || destination.CatchainSeqno != Signatures.CatchainSeqno)
            {
                throw Invalid("the signatures are of another session than the block");
            }

            ValidatorSet set = ValidatorSet.Read(source);
            if (destination.GenUtime > set.Until + options.MaxValidatorOverrun.TotalSeconds)
            {
                throw Invalid("the block is signed by validators whose term has long ended");
            }

            Signatures.Verify(To, set);
        }
    }

    /// <summary>From a block to an earlier one, which its state lists.</summary>
    internal sealed record Back(bool ToKeyBlock, BlockId From, BlockId To, byte[] DestinationProof, byte[] BlockProof, byte[] StateProof)
        : BlockLink(ToKeyBlock, From, To)
    {
        protected override void VerifyStep(LiteTonOptions options)
        {
            if (To.Seqno >= From.Seqno)
            {
                throw Invalid("a backward link that does not go backward");
            }

            OpenDestination(DestinationProof);
            ShardState state = ShardState.Open(From, BocReader.ReadSingle(BlockProof, s_limits), BocReader.ReadSingle(StateProof, s_limits));
            if (!state.ListsOldBlock(To, ToKeyBlock))
            {
                throw Invalid("the state does not list the earlier block");
            }
        }
    }
}
