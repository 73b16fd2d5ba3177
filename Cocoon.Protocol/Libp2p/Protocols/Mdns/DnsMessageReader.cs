using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Cocoon.Protocol.Libp2p.Protocols.Mdns;

/// <summary>Reads DNS messages (RFC 1035, section 4.1) from anybody on the network: every count, length and pointer is checked.</summary>
/// <remarks>
/// <code>
/// | id 2 | flags 2 | questions 2 | answers 2 | authority 2 | additional 2 |
/// question: name, type 2, class 2        record: name, type 2, class 2, ttl 4, length 2, data
/// name: labels of one length byte (at most 63) and text, ended by 0 or by a pointer (11xxxxxx x8) to an earlier name
/// </code>
/// </remarks>
internal static class DnsMessageReader
{
    /// <summary>Largest message of multicast DNS (RFC 6762, section 17).</summary>
    public const int MaxLength = 9000;

    /// <summary>Own choice: a peer's answer has two or three records.</summary>
    public const int MaxQuestions = 16, MaxRecords = 64;

    /// <summary>RFC 1035, section 2.3.4.</summary>
    private const int MaxNameLength = 255;

    private const int HeaderLength = 12, MaxLabelLength = 63;

    private const ushort ResponseFlag = 0x8000, OpcodeMask = 0x7800;

    /// <summary>Of a class: the rest is flags (unicast response, cache flush).</summary>
    private const ushort ClassMask = 0x7fff, InternetClass = 1, AnyClass = 255;

    /// <summary><c>false</c> for anything malformed or beyond the bounds.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message, [NotNullWhen(true)] out DnsMessage? read)
    {
        read = null;
        if (message.Length is < HeaderLength or > MaxLength)
        {
            return false;
        }

        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(message[2..]);
        int questions = BinaryPrimitives.ReadUInt16BigEndian(message[4..]);
        int records = BinaryPrimitives.ReadUInt16BigEndian(message[6..]) + BinaryPrimitives.ReadUInt16BigEndian(message[8..]) + BinaryPrimitives.ReadUInt16BigEndian(message[10..]);
        if ((flags & OpcodeMask) != 0 || questions > MaxQuestions || records > MaxRecords)
        {
            return false;
        }

        int at = HeaderLength;
        List<DnsQuestion> asked = [];
        for (int i = 0; i < questions; i++)
        {
            if (!TryReadName(message, ref at, out string? name) || message.Length - at < 4)
            {
                return false;
            }

            DnsType type = (DnsType)BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
            int @class = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]) & ClassMask;
            at += 4;
            if (@class is InternetClass or AnyClass)
            {
                asked.Add(new DnsQuestion(name, type));
            }
        }

        List<DnsRecord> told = [];
        for (int i = 0; i < records; i++)
        {
            if (!TryReadRecord(message, ref at, out DnsRecord? record))
            {
                return false;
            }

            if (record is not null)
            {
                told.Add(record);
            }
        }

        read = new DnsMessage((flags & ResponseFlag) != 0, asked, told);
        return true;
    }

    /// <param name="record"><c>null</c> for a record of another type or class.</param>
    private static bool TryReadRecord(ReadOnlySpan<byte> message, ref int at, out DnsRecord? record)
    {
        record = null;
        if (!TryReadName(message, ref at, out string? name) || message.Length - at < 10)
        {
            return false;
        }

        DnsType type = (DnsType)BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
        int @class = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]) & ClassMask;
        uint seconds = BinaryPrimitives.ReadUInt32BigEndian(message[(at + 4)..]);
        int length = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 8)..]);
        at += 10;
        if (message.Length - at < length)
        {
            return false;
        }

        int data = at;
        at += length;
        if (@class != InternetClass)
        {
            return true;
        }

        switch (type)
        {
            case DnsType.Ptr:
                if (!TryReadName(message[..at], ref data, out string? target) || data != at)
                {
                    return false;
                }

                record = new DnsRecord(name, type, seconds, target, []);
                return true;
            case DnsType.Txt:
                if (!TryReadTexts(message[data..at], out List<string>? texts))
                {
                    return false;
                }

                record = new DnsRecord(name, type, seconds, null, texts);
                return true;
            default:
                return true;
        }
    }

    private static bool TryReadTexts(ReadOnlySpan<byte> data, [NotNullWhen(true)] out List<string>? texts)
    {
        texts = [];
        while (!data.IsEmpty)
        {
            int length = data[0];
            if (data.Length <= length)
            {
                texts = null;
                return false;
            }

            texts.Add(Encoding.Latin1.GetString(data.Slice(1, length)));
            data = data[(1 + length)..];
        }

        return true;
    }

    /// <summary>Pointers lead only backwards, so that following them ends.</summary>
    private static bool TryReadName(ReadOnlySpan<byte> message, ref int at, [NotNullWhen(true)] out string? name)
    {
        name = null;
        StringBuilder text = new();
        int here = at, end = -1, bound = at;
        while (true)
        {
            if (here >= message.Length)
            {
                return false;
            }

            int length = message[here];
            if (length == 0)
            {
                at = end >= 0 ? end : here + 1;
                name = text.ToString().ToLowerInvariant();
                return true;
            }

            if (length >= 0xc0)
            {
                if (here + 1 >= message.Length)
                {
                    return false;
                }

                int target = ((length & 0x3f) << 8) | message[here + 1];
                end = end >= 0 ? end : here + 2;
                if (target >= bound || target < HeaderLength)
                {
                    return false;
                }

                here = bound = target;
                continue;
            }

            if (length > MaxLabelLength || here + 1 + length > message.Length || text.Length + length + 1 > MaxNameLength)
            {
                return false;
            }

            if (text.Length > 0)
            {
                text.Append('.');
            }

            text.Append(Encoding.Latin1.GetString(message.Slice(here + 1, length)));
            here += 1 + length;
        }
    }
}
