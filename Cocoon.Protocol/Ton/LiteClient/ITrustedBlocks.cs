namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>Remembers the newest key block that was proven, so that the next start does not come all the way from the anchor.</summary>
internal interface ITrustedBlocks
{
    /// <summary>What was saved for this anchor, or <c>null</c>.</summary>
    BlockId? Load(BlockId anchor);

    /// <summary>Losing one costs time, not trust.</summary>
    void Save(BlockId anchor, BlockId keyBlock);
}
