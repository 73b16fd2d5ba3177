using System.Text;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Decodes DHT messages with bounded lists; peers and addresses that cannot be used are skipped, not fatal.</summary>
/// <remarks>
/// <code>
/// Message { type 1, key 2, record 3: { key 1, value 2, timeReceived 5 }, closerPeers 8*: Peer, providerPeers 9*: Peer }
/// Peer    { id 1, addrs 2*, connection 3 }
/// </code>
/// An absent type is PUT_VALUE: js-libp2p omits a zero.
/// </remarks>
internal static class KadMessageReader
{
    public const int MaxKeyLength = 256;
    public const int MaxPeers = 64;
    public const int MaxAddresses = 16;

    /// <exception cref="KadException">Not a message.</exception>
    public static KadMessage Read(ReadOnlyMemory<byte> bytes)
    {
        ulong type = 0;
        ReadOnlyMemory<byte> key = default;
        KadRecord? record = null;
        List<KadPeer> closer = [], providers = [];
        ProtobufReader reader = new(bytes.Span);
        while (!reader.IsAtEnd)
        {
            (int field, int wireType) = ReadTag(ref reader);
            switch (field, wireType)
            {
                case (1, ProtobufReader.Varint):
                    type = reader.TryReadVarint(out ulong value) ? value : throw new KadException(KadErrorCode.Malformed);
                    break;
                case (2, ProtobufReader.Bytes):
                    key = ReadMemory(ref reader, bytes);
                    break;
                case (3, ProtobufReader.Bytes):
                    record = ReadRecord(ReadMemory(ref reader, bytes));
                    break;
                case (8, ProtobufReader.Bytes):
                    AddPeer(closer, ReadMemory(ref reader, bytes).Span);
                    break;
                case (9, ProtobufReader.Bytes):
                    AddPeer(providers, ReadMemory(ref reader, bytes).Span);
                    break;
                default:
                    Skip(ref reader, wireType);
                    break;
            }
        }

        if (type > (ulong)KadMessageType.Ping)
        {
            throw new KadException(KadErrorCode.UnknownType);
        }

        if (key.Length > MaxKeyLength)
        {
            throw new KadException(KadErrorCode.KeyTooLong);
        }

        return new KadMessage((KadMessageType)type) { Key = key, Record = record, CloserPeers = closer, ProviderPeers = providers };
    }

    private static KadRecord ReadRecord(ReadOnlyMemory<byte> bytes)
    {
        ReadOnlyMemory<byte> key = default, value = default;
        string time = "";
        ProtobufReader reader = new(bytes.Span);
        while (!reader.IsAtEnd)
        {
            (int field, int wireType) = ReadTag(ref reader);
            switch (field, wireType)
            {
                case (1, ProtobufReader.Bytes):
                    key = ReadMemory(ref reader, bytes);
                    break;
                case (2, ProtobufReader.Bytes):
                    value = ReadMemory(ref reader, bytes);
                    break;
                case (5, ProtobufReader.Bytes):
                    ReadOnlySpan<byte> text = ReadMemory(ref reader, bytes).Span;
                    time = text.Length <= 64 && Ascii.IsValid(text) ? Encoding.ASCII.GetString(text) : "";
                    break;
                default:
                    Skip(ref reader, wireType);
                    break;
            }
        }

        return new KadRecord(key, value, time);
    }

    private static void AddPeer(List<KadPeer> peers, ReadOnlySpan<byte> bytes)
    {
        PeerId? peer = null;
        List<Multiaddr> addresses = [];
        ProtobufReader reader = new(bytes);
        while (!reader.IsAtEnd)
        {
            (int field, int wireType) = ReadTag(ref reader);
            if (wireType != ProtobufReader.Bytes || field > 2)
            {
                Skip(ref reader, wireType);
                continue;
            }

            if (!reader.TryReadBytes(out ReadOnlySpan<byte> value))
            {
                throw new KadException(KadErrorCode.Malformed);
            }

            if (field == 1)
            {
                PeerId.TryFromBytes(value, out peer);
            }
            else if (addresses.Count < MaxAddresses && Multiaddr.TryFromBytes(value, out Multiaddr? address))
            {
                addresses.Add(address);
            }
        }

        if (peer is not null && peers.Count < MaxPeers)
        {
            peers.Add(new KadPeer(peer, addresses));
        }
    }

    private static (int Field, int WireType) ReadTag(ref ProtobufReader reader) =>
        reader.TryReadTag(out int field, out int wireType) ? (field, wireType) : throw new KadException(KadErrorCode.Malformed);

    private static ReadOnlyMemory<byte> ReadMemory(ref ProtobufReader reader, ReadOnlyMemory<byte> source) =>
        reader.TryReadRange(out int offset, out int length) ? source.Slice(offset, length) : throw new KadException(KadErrorCode.Malformed);

    private static void Skip(ref ProtobufReader reader, int wireType)
    {
        if (!reader.TrySkip(wireType))
        {
            throw new KadException(KadErrorCode.Malformed);
        }
    }
}
