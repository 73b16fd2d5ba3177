using System.Buffers;
using System.Text;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Encodes DHT messages; byte for byte as js-libp2p does.</summary>
internal static class KadMessageWriter
{
    /// <summary>Keeps an answer of 20 peers below 16 KiB, which is all that rust-libp2p reads.</summary>
    public const int MaxAddresses = 8;

    public static byte[] Write(KadMessage message)
    {
        ArrayBufferWriter<byte> output = new(256);
        if (message.Type != KadMessageType.PutValue)
        {
            ProtobufWriter.WriteVarintField(output, 1, (ulong)message.Type);
        }

        if (!message.Key.IsEmpty)
        {
            ProtobufWriter.WriteBytesField(output, 2, message.Key.Span);
        }

        if (message.Record is { } record)
        {
            ProtobufWriter.WriteBytesField(output, 3, Write(record));
        }

        WritePeers(output, 8, message.CloserPeers);
        WritePeers(output, 9, message.ProviderPeers);
        return output.WrittenSpan.ToArray();
    }

    public static byte[] Write(KadRecord record)
    {
        ArrayBufferWriter<byte> output = new(64 + record.Value.Length);
        ProtobufWriter.WriteBytesField(output, 1, record.Key.Span);
        ProtobufWriter.WriteBytesField(output, 2, record.Value.Span);
        if (record.TimeReceived.Length > 0)
        {
            ProtobufWriter.WriteBytesField(output, 5, Encoding.ASCII.GetBytes(record.TimeReceived));
        }

        return output.WrittenSpan.ToArray();
    }

    private static void WritePeers(ArrayBufferWriter<byte> output, int field, IReadOnlyList<KadPeer> peers)
    {
        ArrayBufferWriter<byte> body = new(256);
        foreach (KadPeer peer in peers)
        {
            body.ResetWrittenCount();
            ProtobufWriter.WriteBytesField(body, 1, peer.Peer.Bytes);
            foreach (Multiaddr address in peer.Addresses.Take(MaxAddresses))
            {
                ProtobufWriter.WriteBytesField(body, 2, address.Bytes);
            }

            ProtobufWriter.WriteBytesField(output, field, body.WrittenSpan);
        }
    }
}
