namespace Cocoon.Protocol.Libp2p;

/// <summary>Why a stream or connection failed.</summary>
public enum Libp2pErrorCode
{
    /// <summary>A length prefix is over-long, not minimal, or above the message's limit.</summary>
    BadLength,

    /// <summary>The bytes are not a message of the protocol.</summary>
    Malformed,

    /// <summary>The stream or connection ended inside a message.</summary>
    UnexpectedEnd,

    /// <summary>The remote speaks none of the offered protocols.</summary>
    ProtocolNotSupported,

    /// <summary>Noise: decryption, signature or framing failed.</summary>
    SecurityFailed,

    /// <summary>The handshake proved another peer than the dialled one.</summary>
    PeerMismatch,

    /// <summary>yamux: window overrun, wrong parity, unknown type or version.</summary>
    MuxerViolation,

    /// <summary>A limit of ours: connections, streams, rate.</summary>
    ResourceLimit,

    /// <summary>The stream was reset by either side.</summary>
    StreamReset,

    /// <summary>The connection is closed.</summary>
    ConnectionClosed,

    /// <summary>No address, or no address answered.</summary>
    DialFailed,

    /// <summary>Took longer than its limit.</summary>
    TimedOut,

    /// <summary>A fault of ours.</summary>
    InternalError,
}
