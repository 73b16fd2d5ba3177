namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>Leads from an anchor to the blocks of today, key block by key block, and remembers the last one. Not thread-safe.</summary>
internal sealed class BlockTrust(BlockId anchor, LiteTonOptions options, ITrustedBlocks? memory)
{
    private BlockId _newest = memory?.Load(anchor) is { } saved && saved.Seqno >= anchor.Seqno ? saved : anchor;

    /// <summary>The newest key block that is proven; the anchor at first.</summary>
    public BlockId Newest => _newest;

    /// <summary>Proves <paramref name="target"/>. Key blocks proven on the way stay, also when the rest fails.</summary>
    /// <exception cref="TonException">The server does not show it, or cannot be reached.</exception>
    public async Task ProveAsync(BlockId target, LiteServer server, CancellationToken cancellationToken)
    {
        if (target.Seqno < _newest.Seqno)
        {
            throw new TonException(TonErrorCode.ProofInvalid, $"masterchain block {target.Seqno} is older than the proven key block {_newest.Seqno}");
        }

        BlockId at = _newest;
        for (int part = 0; at != target; part++)
        {
            if (part == options.MaxProofParts)
            {
                throw TonException.TooLarge($"block proof of more than {options.MaxProofParts} parts");
            }

            BlockProof proof = await server.GetBlockProofAsync(at, target, cancellationToken);
            (BlockId reached, BlockId? keyBlock) = proof.Verify(at, options);
            if (reached == at || (reached != target && keyBlock != reached))
            {
                throw new TonException(TonErrorCode.ProofInvalid, "the block proof leads nowhere");
            }

            if (keyBlock is { } newer && newer.Seqno > _newest.Seqno)
            {
                _newest = newer;
                memory?.Save(anchor, newer);
            }

            at = reached;
        }
    }
}
