using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Identity;

/// <summary>Signed envelopes (libp2p RFC 0002): a typed payload with its signer, bound to a domain.</summary>
public static class SignedEnvelope
{
    /// <summary>Longest envelope that is opened; a peer record of 16 addresses has about 1 KiB.</summary>
    public const int MaxLength = 8 * 1024;

    public static byte[] Seal(Ed25519PrivateKey key, string domain, ReadOnlySpan<byte> payloadType, ReadOnlySpan<byte> payload) =>
        new Envelope
        {
            PublicKey = UnsafeByteOperations.UnsafeWrap(PublicKeyProtobuf.Encode(key.PublicKey)),
            PayloadType = ByteString.CopyFrom(payloadType),
            Payload = ByteString.CopyFrom(payload),
            Signature = UnsafeByteOperations.UnsafeWrap(key.Sign(SignedBytes(domain, payloadType, payload))),
        }.ToByteArray();

    /// <summary><c>false</c> unless it is well formed, of this type, by an Ed25519 key, and its signature holds in this domain.</summary>
    public static bool TryOpen(
        ReadOnlySpan<byte> envelope,
        string domain,
        ReadOnlySpan<byte> payloadType,
        [NotNullWhen(true)] out Ed25519PublicKey? signer,
        [NotNullWhen(true)] out byte[]? payload)
    {
        signer = null;
        payload = null;
        if (envelope.Length > MaxLength)
        {
            return false;
        }

        Envelope message;
        try
        {
            message = Envelope.Parser.ParseBounded(envelope);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return false;
        }

        if (!message.PayloadType.Span.SequenceEqual(payloadType)
            || !PublicKeyProtobuf.TryDecode(message.PublicKey.Span, out Ed25519PublicKey? key)
            || !key.Verify(SignedBytes(domain, payloadType, message.Payload.Span), message.Signature.Span))
        {
            return false;
        }

        signer = key;
        payload = message.Payload.ToByteArray();
        return true;
    }

    private static ReadOnlySpan<byte> SignedBytes(string domain, ReadOnlySpan<byte> payloadType, ReadOnlySpan<byte> payload)
    {
        ArrayBufferWriter<byte> writer = new(domain.Length + payloadType.Length + payload.Length + 8);
        Append(writer, Encoding.UTF8.GetBytes(domain));
        Append(writer, payloadType);
        Append(writer, payload);
        return writer.WrittenSpan;
    }

    private static void Append(ArrayBufferWriter<byte> writer, ReadOnlySpan<byte> part)
    {
        Varint.Write(writer, (ulong)part.Length);
        writer.Write(part);
    }
}
