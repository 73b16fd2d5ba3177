namespace Cocoon.Protocol.Libp2p.Muxers;

/// <summary>Why a session ends, as it is told to the remote.</summary>
internal enum YamuxGoAway : uint
{
    Normal = 0,
    ProtocolError = 1,
    InternalError = 2,
}
