namespace Cocoon.Protocol.Ton;

/// <summary>Where the chain is. Times of payments come from here, never from the local clock.</summary>
/// <param name="Seconds">Unix seconds.</param>
/// <param name="Seqno">Masterchain seqno.</param>
internal readonly record struct ChainTime(uint Seconds, uint Seqno);
