namespace Cocoon.Protocol.Enclaves;

internal enum PipeErrorCode
{
    /// <summary>A length of zero or above the limit.</summary>
    FrameSize = 1,

    /// <summary>The pipe ended inside a frame.</summary>
    Truncated = 2,

    /// <summary>No such frame type in this direction.</summary>
    UnknownType = 3,

    /// <summary>The payload is not the message of its type.</summary>
    Malformed = 4,

    /// <summary>A frame that must not come now.</summary>
    Unexpected = 5,
}

/// <summary>The other end of the pipe broke the frame protocol; the pipe is of no further use.</summary>
internal sealed class PipeException(PipeErrorCode code, string message) : Exception(message)
{
    public PipeErrorCode Code { get; } = code;
}
