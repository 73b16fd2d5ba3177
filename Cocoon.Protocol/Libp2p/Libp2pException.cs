using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p;

/// <summary>A remote broke a protocol or a limit, or a connection or stream ended early.</summary>
/// <remarks>Thrown by the stack and by protocol parsers; the stream or connection loop that catches it resets the smallest thing.</remarks>
public sealed class Libp2pException : IOException
{
    public Libp2pException(Libp2pErrorCode code, string message, Exception? innerException = null)
        : base(message, innerException) => Code = code;

    public Libp2pErrorCode Code { get; }

    /// <summary>Who answered where somebody else was dialled, of <see cref="Libp2pErrorCode.PeerMismatch"/>.</summary>
    public PeerId? Answered { get; init; }
}
