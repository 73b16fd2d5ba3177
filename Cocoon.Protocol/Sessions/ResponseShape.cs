namespace Cocoon.Protocol.Sessions;

/// <summary>Sizes and times of the sealed response. Both sides and the voucher cadence depend on them.</summary>
internal static class ResponseShape
{
    /// <summary>Plaintext bytes of a frame: <c>u16 used ‖ data ‖ zeros</c>.</summary>
    public const int FrameSize = 512;

    public const int FrameCapacity = FrameSize - sizeof(ushort);

    /// <summary>Most frames in one chunk of a batch answer; keeps a message under the stream's limit.</summary>
    public const int MaxFramesPerChunk = 64;

    public const int TicksPerBlock = 20;

    /// <summary>Fewest tokens in which the host may learn the cost of a paced answer: with finer ones it would count tokens every two seconds.</summary>
    public const uint MinUnitTokens = 64;

    /// <summary>Steady shape: one frame per tick.</summary>
    public static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);

    /// <summary>Steady and batch: answers last whole blocks, and the due is told at their edges.</summary>
    public static readonly TimeSpan Block = Tick * TicksPerBlock;
}
