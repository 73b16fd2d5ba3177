using System.Buffers;
using System.Text;
using Cocoon.Protocol.Buffers;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Encodes the parts of an RPC; the caller frames the result with its length.</summary>
internal static class GossipRpcWriter
{
    public static void WriteSubscription(IBufferWriter<byte> rpc, string topic, bool subscribe)
    {
        int topicSize = Encoding.UTF8.GetByteCount(topic);
        ProtobufWriter.WriteLengthPrefix(rpc, 1, 2 + ProtobufWriter.BytesFieldSize(topicSize));
        ProtobufWriter.WriteVarintField(rpc, 1, subscribe ? 1u : 0u);
        WriteTopic(rpc, 2, topic, topicSize);
    }

    /// <param name="raw">The encoded message, unchanged since it was signed.</param>
    public static void WriteMessage(IBufferWriter<byte> rpc, ReadOnlySpan<byte> raw) => ProtobufWriter.WriteBytesField(rpc, 2, raw);

    /// <summary>Field 3 around an already encoded control message.</summary>
    public static void WriteControl(IBufferWriter<byte> rpc, ReadOnlySpan<byte> control) => ProtobufWriter.WriteBytesField(rpc, 3, control);

    public static void WriteIHave(IBufferWriter<byte> control, string topic, ReadOnlySpan<MessageId> ids)
    {
        int topicSize = Encoding.UTF8.GetByteCount(topic);
        ProtobufWriter.WriteLengthPrefix(control, 1, ProtobufWriter.BytesFieldSize(topicSize) + SizeOf(ids));
        WriteTopic(control, 1, topic, topicSize);
        WriteIds(control, 2, ids);
    }

    public static void WriteIWant(IBufferWriter<byte> control, ReadOnlySpan<MessageId> ids)
    {
        ProtobufWriter.WriteLengthPrefix(control, 2, SizeOf(ids));
        WriteIds(control, 1, ids);
    }

    public static void WriteGraft(IBufferWriter<byte> control, string topic)
    {
        int topicSize = Encoding.UTF8.GetByteCount(topic);
        ProtobufWriter.WriteLengthPrefix(control, 3, ProtobufWriter.BytesFieldSize(topicSize));
        WriteTopic(control, 1, topic, topicSize);
    }

    public static void WritePrune(IBufferWriter<byte> control, string topic, TimeSpan backoff)
    {
        int topicSize = Encoding.UTF8.GetByteCount(topic);
        ulong seconds = (ulong)Math.Max(1, Math.Ceiling(backoff.TotalSeconds));
        ProtobufWriter.WriteLengthPrefix(control, 4, ProtobufWriter.BytesFieldSize(topicSize) + 1 + ProtobufWriter.VarintSize(seconds));
        WriteTopic(control, 1, topic, topicSize);
        ProtobufWriter.WriteVarintField(control, 3, seconds);
    }

    public static void WriteIDontWant(IBufferWriter<byte> control, ReadOnlySpan<MessageId> ids)
    {
        ProtobufWriter.WriteLengthPrefix(control, 5, SizeOf(ids));
        WriteIds(control, 1, ids);
    }

    private static int SizeOf(ReadOnlySpan<MessageId> ids)
    {
        int size = 0;
        foreach (MessageId id in ids)
        {
            size += ProtobufWriter.BytesFieldSize(id.Bytes.Length);
        }

        return size;
    }

    private static void WriteIds(IBufferWriter<byte> output, int field, ReadOnlySpan<MessageId> ids)
    {
        foreach (MessageId id in ids)
        {
            ProtobufWriter.WriteBytesField(output, field, id.Bytes);
        }
    }

    private static void WriteTopic(IBufferWriter<byte> output, int field, string topic, int size)
    {
        ProtobufWriter.WriteLengthPrefix(output, field, size);
        Encoding.UTF8.GetBytes(topic, output);
    }
}
