using System.Numerics;

namespace Cocoon.Protocol.Libp2p.Muxers;

/// <summary>The verdicts of the last 32 pings of one connection. Not thread-safe.</summary>
internal struct PingTally
{
    private const int Window = 32;

    private uint _lost;
    private int _count;

    /// <summary>0 to 1 over the pings remembered; <c>null</c> before the first.</summary>
    public readonly double? Loss => _count == 0 ? null : BitOperations.PopCount(_lost) / (double)_count;

    public void Add(bool isLost)
    {
        _lost = (_lost << 1) | (isLost ? 1u : 0u);
        _count = Math.Min(_count + 1, Window);
    }
}
