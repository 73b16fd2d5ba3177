using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>StrictSign: makes and checks the signature over <c>libp2p-pubsub:</c> and the message without its fields 5 and 6.</summary>
/// <remarks>
/// To verify, the two fields are cut out of the received bytes. Encoding the message again would lose unknown fields and a
/// foreign field order, and leaving <c>key</c> in would refuse every js-libp2p message, which always carries it.
/// </remarks>
internal static class MessageSigning
{
    public const int SequenceNumberSize = 8;

    /// <summary>An Ed25519 peer id: identity multihash of the public key protobuf.</summary>
    private const int PeerIdSize = 38;

    private const int PublicKeyProtobufSize = 36;

    private static ReadOnlySpan<byte> Prefix => "libp2p-pubsub:"u8;

    private static ReadOnlySpan<byte> PeerIdHeader => [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

    /// <summary>A signed message.</summary>
    public static GossipMessage Create(Ed25519PrivateKey key, string topic, ReadOnlySpan<byte> data, ulong sequenceNumber)
    {
        byte[] from = [.. PeerIdHeader, .. key.PublicKey.Bytes];
        byte[] sequence = new byte[SequenceNumberSize];
        BinaryPrimitives.WriteUInt64BigEndian(sequence, sequenceNumber);

        ArrayBufferWriter<byte> signed = new(Prefix.Length + data.Length + 128 + topic.Length);
        signed.Write(Prefix);
        ProtobufWriter.WriteBytesField(signed, 1, from);
        ProtobufWriter.WriteBytesField(signed, 2, data);
        ProtobufWriter.WriteBytesField(signed, 3, sequence);
        ProtobufWriter.WriteBytesField(signed, 4, Encoding.UTF8.GetBytes(topic));
        byte[] signature = key.Sign(signed.WrittenSpan);
        ProtobufWriter.WriteBytesField(signed, 5, signature);
        return GossipRpcReader.ReadMessage(signed.WrittenSpan[Prefix.Length..].ToArray());
    }

    /// <summary>
    /// Whether <c>from</c>, an 8-byte <c>seqno</c> and the signature are there and right, and <c>key</c>, if there, is the key of <c>from</c>.
    /// </summary>
    public static bool Verify(GossipMessage message)
    {
        ReadOnlySpan<byte> from = message.From.Span;
        if (!HasStrictSignFields(message))
        {
            return false;
        }

        int length = Prefix.Length + message.Raw.Length;
        byte[] rented = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            Prefix.CopyTo(rented);
            int size = Prefix.Length + CutSignature(message.Raw.Span, rented.AsSpan(Prefix.Length));
            return Ed25519.Verify(from[PeerIdHeader.Length..], rented.AsSpan(0, size), message.Signature.Span);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>The cheap part of <see cref="Verify"/>: shapes only.</summary>
    public static bool HasStrictSignFields(GossipMessage message)
    {
        ReadOnlySpan<byte> from = message.From.Span;
        return from.Length == PeerIdSize
            && from.StartsWith(PeerIdHeader)
            && message.SequenceNumber.Length == SequenceNumberSize
            && message.Signature.Length == Ed25519.SignatureSize
            && (message.Key.IsEmpty || (message.Key.Length == PublicKeyProtobufSize && message.Key.Span.SequenceEqual(from[2..])));
    }

    /// <summary>The bytes that a signature of <paramref name="message"/> covers.</summary>
    public static byte[] SignedBytes(GossipMessage message)
    {
        byte[] buffer = new byte[Prefix.Length + message.Raw.Length];
        Prefix.CopyTo(buffer);
        int size = CutSignature(message.Raw.Span, buffer.AsSpan(Prefix.Length));
        return buffer[..(Prefix.Length + size)];
    }

    private static int CutSignature(ReadOnlySpan<byte> raw, Span<byte> output)
    {
        int written = 0;
        ProtobufReader reader = new(raw);
        while (!reader.IsAtEnd)
        {
            int start = reader.Position;
            if (!reader.TryReadTag(out int field, out int wireType) || !reader.TrySkip(wireType))
            {
                throw new GossipsubException(GossipsubErrorCode.Malformed);
            }

            if (field is not (5 or 6))
            {
                raw[start..reader.Position].CopyTo(output[written..]);
                written += reader.Position - start;
            }
        }

        return written;
    }
}
