using System.Buffers;

namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>The arrays that connections read into, lay records out in and buffer streams in.</summary>
/// <remarks>
/// Pools of their own: loops wander over threads, and the shared pool keeps arrays by thread and gives them up after a while, so that a
/// connection would allocate again and again. What is kept is bounded: 32 read or send buffers of each size, and the segments of one full
/// window.
/// </remarks>
internal static class ConnectionBuffers
{
    public const int SmallSize = 16 * 1024;
    public const int LargeSize = 256 * 1024;
    public const int LargestSegment = 64 * 1024;

    /// <summary>For sockets: of <see cref="SmallSize"/> or <see cref="LargeSize"/>.</summary>
    public static ArrayPool<byte> Sockets { get; } = ArrayPool<byte>.Create(LargeSize, maxArraysPerBucket: 32);

    /// <summary>For streams: up to <see cref="LargestSegment"/>; a window of 16 MiB that is not aligned to segments takes some more than 256 of them.</summary>
    public static ArrayPool<byte> Segments { get; } = ArrayPool<byte>.Create(LargestSegment, maxArraysPerBucket: 288);
}
