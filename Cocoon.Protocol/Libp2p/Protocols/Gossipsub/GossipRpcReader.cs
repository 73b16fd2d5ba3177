using System.Text;
using System.Text.Unicode;
using Cocoon.Protocol.Buffers;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Decodes RPCs by hand: counts are bounded before anything is allocated, and message bytes stay as received.</summary>
/// <remarks>
/// <code>
/// RPC     { subscriptions 1*: { subscribe 1, topicid 2 }, publish 2*: Message, control 3 }
/// control { ihave 1*: { topic 1, ids 2* }, iwant 2*: { ids 1* }, graft 3*: { topic 1 },
///           prune 4*: { topic 1, peers 2*, backoff 3 }, idontwant 5*: { ids 1* } }
/// Message { from 1, data 2, seqno 3, topic 4, signature 5, key 6 }
/// </code>
/// Unknown fields are skipped. Ids above the bound of an RPC are dropped: that much gossip is noise, not an attack worth a reset.
/// </remarks>
internal static class GossipRpcReader
{
    public const int MaxEntries = 5000;
    public const int MaxTopicBytes = 256;

    private static readonly UTF8Encoding _utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="GossipsubException">The frame is not an RPC within the limits.</exception>
    public static GossipRpc Read(ReadOnlyMemory<byte> frame)
    {
        List<GossipSubscription>? subscriptions = null;
        List<GossipMessage>? publish = null;
        ControlLists control = default;
        ProtobufReader reader = new(frame.Span);
        while (!reader.IsAtEnd)
        {
            (int field, int wireType) = ReadTag(ref reader);
            switch (field, wireType)
            {
                case (1, ProtobufReader.Bytes):
                    Add(ref subscriptions, ReadSubscription(ReadBytes(ref reader)));
                    break;
                case (2, ProtobufReader.Bytes):
                    Add(ref publish, ReadMessage(ReadMemory(ref reader, frame)));
                    break;
                case (3, ProtobufReader.Bytes):
                    ReadControl(ReadBytes(ref reader), ref control);
                    break;
                default:
                    Skip(ref reader, wireType);
                    break;
            }
        }

        return new GossipRpc
        {
            Subscriptions = subscriptions ?? [],
            Publish = publish ?? [],
            IHave = control.IHave ?? [],
            IWant = control.IWant ?? [],
            Graft = control.Graft ?? [],
            Prune = control.Prune ?? [],
            IDontWant = control.IDontWant ?? [],
        };
    }

    /// <summary>Decodes one message; its fields are slices of <paramref name="raw"/>.</summary>
    /// <exception cref="GossipsubException">Malformed, or a field occurs twice: implementations disagree on which one counts.</exception>
    public static GossipMessage ReadMessage(ReadOnlyMemory<byte> raw)
    {
        ReadOnlyMemory<byte> from = default, data = default, sequence = default, signature = default, key = default;
        string topic = "";
        int seen = 0;
        ProtobufReader reader = new(raw.Span);
        while (!reader.IsAtEnd)
        {
            (int field, int wireType) = ReadTag(ref reader);
            if (field > 6)
            {
                Skip(ref reader, wireType);
                continue;
            }

            if (wireType != ProtobufReader.Bytes || (seen & (1 << field)) != 0)
            {
                throw new GossipsubException(GossipsubErrorCode.Malformed);
            }

            seen |= 1 << field;
            ReadOnlyMemory<byte> value = ReadMemory(ref reader, raw);
            switch (field)
            {
                case 1:
                    from = value;
                    break;
                case 2:
                    data = value;
                    break;
                case 3:
                    sequence = value;
                    break;
                case 4:
                    topic = ReadTopic(value.Span);
                    break;
                case 5:
                    signature = value;
                    break;
                default:
                    key = value;
                    break;
            }
        }

        if (topic.Length == 0)
        {
            throw new GossipsubException(GossipsubErrorCode.BadTopic);
        }

        return new GossipMessage { Raw = raw, From = from, Data = data, SequenceNumber = sequence, Topic = topic, Signature = signature, Key = key };
    }

    private static GossipSubscription ReadSubscription(ReadOnlySpan<byte> body)
    {
        bool subscribe = false;
        string topic = "";
        ProtobufReader reader = new(body);
        while (!reader.IsAtEnd)
        {
            (int field, int wireType) = ReadTag(ref reader);
            switch (field, wireType)
            {
                case (1, ProtobufReader.Varint):
                    subscribe = ReadVarint(ref reader) != 0;
                    break;
                case (2, ProtobufReader.Bytes):
                    topic = ReadTopic(ReadBytes(ref reader));
                    break;
                default:
                    Skip(ref reader, wireType);
                    break;
            }
        }

        return topic.Length > 0 ? new GossipSubscription(topic, subscribe) : throw new GossipsubException(GossipsubErrorCode.BadTopic);
    }

    private static void ReadControl(ReadOnlySpan<byte> body, ref ControlLists control)
    {
        ProtobufReader reader = new(body);
        while (!reader.IsAtEnd)
        {
            (int field, int wireType) = ReadTag(ref reader);
            if (field > 5 || wireType != ProtobufReader.Bytes)
            {
                Skip(ref reader, wireType);
                continue;
            }

            ReadOnlySpan<byte> entry = ReadBytes(ref reader);
            switch (field)
            {
                case 1:
                    (string topic, List<MessageId>? ids, _) = ReadEntry(entry, idsField: 2, ref control.Ids);
                    Add(ref control.IHave, new GossipIHave(topic, ids ?? []));
                    break;
                case 2:
                    Append(ref control.IWant, ReadEntry(entry, idsField: 1, ref control.Ids).Ids);
                    break;
                case 3:
                    Add(ref control.Graft, ReadEntry(entry, idsField: 0, ref control.Ids).Topic);
                    break;
                case 4:
                    (string pruned, _, ulong backoff) = ReadEntry(entry, idsField: 0, ref control.Ids);
                    Add(ref control.Prune, new GossipPrune(pruned, TimeSpan.FromSeconds(Math.Min(backoff, 24 * 3600))));
                    break;
                default:
                    Append(ref control.IDontWant, ReadEntry(entry, idsField: 1, ref control.Ids).Ids);
                    break;
            }
        }
    }

    /// <summary>All control entries share one shape: topic in field 1 or ids in field 1 or 2, and a back-off in field 3.</summary>
    private static (string Topic, List<MessageId>? Ids, ulong Backoff) ReadEntry(ReadOnlySpan<byte> entry, int idsField, ref int idCount)
    {
        string topic = "";
        List<MessageId>? ids = null;
        ulong backoff = 0;
        ProtobufReader reader = new(entry);
        while (!reader.IsAtEnd)
        {
            (int field, int wireType) = ReadTag(ref reader);
            if (wireType == ProtobufReader.Bytes && field == idsField)
            {
                ReadOnlySpan<byte> id = ReadBytes(ref reader);
                if (idCount < MaxEntries && id.Length is > 0 and <= MessageId.MaxLength)
                {
                    idCount++;
                    (ids ??= []).Add(new MessageId(id));
                }
            }
            else if (wireType == ProtobufReader.Bytes && field == 1)
            {
                topic = ReadTopic(ReadBytes(ref reader));
            }
            else if (wireType == ProtobufReader.Varint && field == 3)
            {
                backoff = ReadVarint(ref reader);
            }
            else
            {
                Skip(ref reader, wireType);
            }
        }

        return topic.Length > 0 || idsField == 1 ? (topic, ids, backoff) : throw new GossipsubException(GossipsubErrorCode.BadTopic);
    }

    private static void Add<T>(ref List<T>? list, T item)
    {
        list ??= [];
        if (list.Count == MaxEntries)
        {
            throw new GossipsubException(GossipsubErrorCode.TooManyEntries);
        }

        list.Add(item);
    }

    private static void Append(ref List<MessageId>? list, List<MessageId>? ids)
    {
        if (ids is not null)
        {
            (list ??= []).AddRange(ids);
        }
    }

    private static string ReadTopic(ReadOnlySpan<byte> bytes) =>
        bytes.Length is > 0 and <= MaxTopicBytes && Utf8.IsValid(bytes)
            ? _utf8.GetString(bytes)
            : throw new GossipsubException(GossipsubErrorCode.BadTopic);

    private static (int Field, int WireType) ReadTag(ref ProtobufReader reader) =>
        reader.TryReadTag(out int field, out int wireType) ? (field, wireType) : throw new GossipsubException(GossipsubErrorCode.Malformed);

    private static ulong ReadVarint(ref ProtobufReader reader) =>
        reader.TryReadVarint(out ulong value) ? value : throw new GossipsubException(GossipsubErrorCode.Malformed);

    private static ReadOnlySpan<byte> ReadBytes(ref ProtobufReader reader) =>
        reader.TryReadBytes(out ReadOnlySpan<byte> bytes) ? bytes : throw new GossipsubException(GossipsubErrorCode.Malformed);

    private static ReadOnlyMemory<byte> ReadMemory(ref ProtobufReader reader, ReadOnlyMemory<byte> source) =>
        reader.TryReadRange(out int offset, out int length)
            ? source.Slice(offset, length)
            : throw new GossipsubException(GossipsubErrorCode.Malformed);

    private static void Skip(ref ProtobufReader reader, int wireType)
    {
        if (!reader.TrySkip(wireType))
        {
            throw new GossipsubException(GossipsubErrorCode.Malformed);
        }
    }

    private struct ControlLists
    {
        public List<GossipIHave>? IHave;
        public List<MessageId>? IWant;
        public List<string>? Graft;
        public List<GossipPrune>? Prune;
        public List<MessageId>? IDontWant;
        public int Ids;
    }
}
