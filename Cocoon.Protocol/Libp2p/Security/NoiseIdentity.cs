using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Security.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Libp2p.Security;

/// <summary>This node's side of every Noise handshake: the peer key's statement about the process's static key.</summary>
/// <remarks>The static key lives as long as the process and is never stored. Thread-safe.</remarks>
internal sealed class NoiseIdentity : IDisposable
{
    private const int MaxMuxers = 16;

    private static ReadOnlySpan<byte> SignaturePrefix => "noise-libp2p-static-key:"u8;

    private readonly byte[] _payload;

    public NoiseIdentity(Ed25519PrivateKey identity, IEnumerable<string> muxers, X25519PrivateKey? staticKey = null)
    {
        StaticKey = staticKey ?? X25519PrivateKey.Generate();
        LocalPeer = PeerId.FromPublicKey(identity.PublicKey);
        NoiseHandshakePayload payload = new()
        {
            IdentityKey = UnsafeByteOperations.UnsafeWrap(PublicKeyProtobuf.Encode(identity.PublicKey)),
            IdentitySig = UnsafeByteOperations.UnsafeWrap(identity.Sign([.. SignaturePrefix, .. StaticKey.PublicKey])),
            Extensions = new NoiseExtensions(),
        };
        payload.Extensions.StreamMuxers.AddRange(muxers);
        Muxers = [.. payload.Extensions.StreamMuxers];
        _payload = payload.ToByteArray();
    }

    public X25519PrivateKey StaticKey { get; }

    public PeerId LocalPeer { get; }

    public IReadOnlyList<string> Muxers { get; }

    public ReadOnlySpan<byte> Payload => _payload;

    /// <summary><c>false</c> unless the payload is well formed and its Ed25519 identity signed <paramref name="remoteStatic"/>.</summary>
    public static bool TryReadPayload(
        ReadOnlySpan<byte> payload, ReadOnlySpan<byte> remoteStatic, [NotNullWhen(true)] out PeerId? peer, out IReadOnlyList<string> muxers)
    {
        peer = null;
        muxers = [];
        NoiseHandshakePayload message;
        try
        {
            message = NoiseHandshakePayload.Parser.ParseBounded(payload);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return false;
        }

        if (message.Extensions?.StreamMuxers.Count > MaxMuxers
            || !PublicKeyProtobuf.TryDecode(message.IdentityKey.Span, out Ed25519PublicKey? key)
            || !key.Verify([.. SignaturePrefix, .. remoteStatic], message.IdentitySig.Span))
        {
            return false;
        }

        peer = PeerId.FromPublicKey(key);
        muxers = message.Extensions is null ? [] : [.. message.Extensions.StreamMuxers];
        return true;
    }

    /// <summary>Result of early muxer negotiation: the first of the initiator's list that the responder has, <c>null</c> when a list is empty.</summary>
    /// <exception cref="Libp2pException">Both have lists without a common entry.</exception>
    public static string? ChooseMuxer(IReadOnlyList<string> initiator, IReadOnlyList<string> responder)
    {
        if (initiator.Count == 0 || responder.Count == 0)
        {
            return null;
        }

        return initiator.FirstOrDefault(responder.Contains)
            ?? throw new Libp2pException(Libp2pErrorCode.ProtocolNotSupported, "No stream multiplexer in common.");
    }

    public void Dispose() => StaticKey.Dispose();
}
