using System.Buffers.Binary;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Multistream;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Protocol.Libp2p.Security;

/// <summary>Negotiates <c>/noise</c> and runs the handshake over a fresh connection.</summary>
internal static class NoiseHandshake
{
    public const string Protocol = "/noise";

    /// <summary>A payload has about 130 bytes, with certificate hashes of other transports some more.</summary>
    public const int MaxMessageLength = 4096;

    private const int LengthSize = 2;

    /// <summary>Dials: negotiation and first message leave in one segment.</summary>
    /// <param name="expected">The dialled peer, compared before anything else is done with the connection; <c>null</c> when any will do.</param>
    /// <exception cref="Libp2pException">Not the peer, not its key, or not the protocol.</exception>
    public static async ValueTask<(NoiseChannel Channel, string? Muxer)> DialAsync(
        IRawConnection connection, ConnectionReader reader, NoiseIdentity identity, PeerId? expected, CancellationToken cancellationToken)
    {
        using NoiseHandshakeState state = new(isInitiator: true, identity.StaticKey);
        (PeerId remote, IReadOnlyList<string> muxers) = await AskAsync(state, connection, reader, identity, expected, cancellationToken);
        string? muxer = NoiseIdentity.ChooseMuxer(identity.Muxers, muxers);
        await connection.WriteAsync(WriteMessage(state, identity.Payload, []), cancellationToken);
        return (CreateChannel(connection, reader, state, remote), muxer);
    }

    /// <summary>Dials as far as the second message, which proves who answers; the remote sees a handshake that was given up.</summary>
    /// <exception cref="Libp2pException">Not the peer, not its key, or not the protocol.</exception>
    public static async ValueTask ProbeAsync(IRawConnection connection, NoiseIdentity identity, PeerId expected, CancellationToken cancellationToken)
    {
        using ConnectionReader reader = new(connection);
        using NoiseHandshakeState state = new(isInitiator: true, identity.StaticKey);
        await AskAsync(state, connection, reader, identity, expected, cancellationToken);
    }

    /// <summary>Answers a dialler.</summary>
    /// <exception cref="Libp2pException">As <see cref="DialAsync"/>.</exception>
    public static async ValueTask<(NoiseChannel Channel, string? Muxer)> ListenAsync(
        IRawConnection connection, ConnectionReader reader, NoiseIdentity identity, PeerId? expected, CancellationToken cancellationToken)
    {
        await MultistreamSelect.ListenAsync(reader, static protocol => protocol == Protocol, cancellationToken);
        using NoiseHandshakeState state = new(isInitiator: false, identity.StaticKey);
        await ReadMessageAsync(state, reader, cancellationToken);
        await connection.WriteAsync(WriteMessage(state, identity.Payload, []), cancellationToken);
        byte[] payload = await ReadMessageAsync(state, reader, cancellationToken);
        (PeerId remote, IReadOnlyList<string> muxers) = CheckPayload(state, identity, payload, expected);
        string? muxer = NoiseIdentity.ChooseMuxer(muxers, identity.Muxers);
        return (CreateChannel(connection, reader, state, remote), muxer);
    }

    /// <summary>The dialler's part up to the second message: who the remote is, and its multiplexers.</summary>
    private static async ValueTask<(PeerId Remote, IReadOnlyList<string> Muxers)> AskAsync(
        NoiseHandshakeState state, IRawConnection connection, ConnectionReader reader, NoiseIdentity identity, PeerId? expected, CancellationToken cancellationToken)
    {
        await connection.WriteAsync(WriteMessage(state, [], MultistreamSelect.EncodeProposal(Protocol)), cancellationToken);
        await MultistreamSelect.FinishDialAsync(reader, Protocol, cancellationToken);
        return CheckPayload(state, identity, await ReadMessageAsync(state, reader, cancellationToken), expected);
    }

    private static NoiseChannel CreateChannel(IRawConnection connection, ConnectionReader reader, NoiseHandshakeState state, PeerId remote)
    {
        (NoiseCipher send, NoiseCipher receive) = state.Split();
        return new NoiseChannel(connection, reader, send, receive, remote);
    }

    private static (PeerId Remote, IReadOnlyList<string> Muxers) CheckPayload(
        NoiseHandshakeState state, NoiseIdentity identity, byte[] payload, PeerId? expected)
    {
        if (!NoiseIdentity.TryReadPayload(payload, state.RemoteStatic, out PeerId? remote, out IReadOnlyList<string> muxers))
        {
            throw new Libp2pException(Libp2pErrorCode.SecurityFailed, "The remote's identity does not hold.");
        }

        if (remote == identity.LocalPeer)
        {
            throw new Libp2pException(Libp2pErrorCode.PeerMismatch, "The remote is this node itself.") { Answered = remote };
        }

        if (expected is not null && remote != expected)
        {
            throw new Libp2pException(Libp2pErrorCode.PeerMismatch, $"The remote is {remote}, not {expected}.") { Answered = remote };
        }

        return (remote, muxers);
    }

    private static byte[] WriteMessage(NoiseHandshakeState state, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> before)
    {
        byte[] frame = new byte[before.Length + LengthSize + payload.Length + NoiseHandshakeState.MaxOverhead];
        before.CopyTo(frame);
        int length = state.WriteMessage(payload, frame.AsSpan(before.Length + LengthSize));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(before.Length), (ushort)length);
        return frame[..(before.Length + LengthSize + length)];
    }

    private static async ValueTask<byte[]> ReadMessageAsync(NoiseHandshakeState state, ConnectionReader reader, CancellationToken cancellationToken)
    {
        await FillAsync(reader, LengthSize, cancellationToken);
        int length = BinaryPrimitives.ReadUInt16BigEndian(reader.Buffered.Span);
        if (length > MaxMessageLength)
        {
            throw new Libp2pException(Libp2pErrorCode.BadLength, "A handshake message is too long.");
        }

        await FillAsync(reader, LengthSize + length, cancellationToken);
        byte[] payload = new byte[length];
        bool valid = state.TryReadMessage(reader.Buffered.Span.Slice(LengthSize, length), payload, out int written);
        reader.Consume(LengthSize + length);
        return valid ? payload[..written] : throw new Libp2pException(Libp2pErrorCode.SecurityFailed, "A handshake message does not hold.");
    }

    private static async ValueTask FillAsync(ConnectionReader reader, int count, CancellationToken cancellationToken)
    {
        if (!await reader.FillAsync(count, cancellationToken))
        {
            throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The remote ended the handshake.");
        }
    }
}
