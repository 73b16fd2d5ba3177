using System.Buffers.Binary;
using System.Text;

namespace Cocoon.Protocol.Libp2p.Protocols.Mdns;

/// <summary>Writes the two messages of discovery: the question for peers and the answer of one (libp2p mDNS specification).</summary>
internal static class DnsMessageWriter
{
    private const ushort AuthoritativeResponse = 0x8400, InternetClass = 1;

    /// <summary>Longest character string of a TXT record.</summary>
    public const int MaxText = 255;

    /// <param name="service">Such as <c>_p2p._udp.local</c>.</param>
    public static byte[] Query(string service)
    {
        List<byte> message = Header(flags: 0, questions: 1, answers: 0, additional: 0);
        Name(message, service);
        UInt16(message, (ushort)DnsType.Ptr);
        UInt16(message, InternetClass);
        return [.. message];
    }

    /// <summary><c>PTR service → name.service</c>, and in the additional section the TXT record of that name.</summary>
    /// <param name="texts">At most <see cref="MaxText"/> bytes each.</param>
    public static byte[] Answer(string service, string name, IReadOnlyList<string> texts, TimeSpan timeToLive)
    {
        List<byte> message = Header(AuthoritativeResponse, questions: 0, answers: 1, additional: 1);
        uint seconds = (uint)timeToLive.TotalSeconds;
        int serviceAt = message.Count;
        Name(message, service);
        Fields(message, DnsType.Ptr, seconds);
        int lengthAt = message.Count;
        UInt16(message, 0);
        int instanceAt = message.Count;
        Label(message, name);
        Pointer(message, serviceAt);
        Length(message, lengthAt);
        Pointer(message, instanceAt);
        Fields(message, DnsType.Txt, seconds);
        lengthAt = message.Count;
        UInt16(message, 0);
        foreach (string text in texts)
        {
            Label(message, text);
        }

        Length(message, lengthAt);
        return [.. message];
    }

    private static List<byte> Header(ushort flags, ushort questions, ushort answers, ushort additional)
    {
        List<byte> message = new(512);
        UInt16(message, 0);
        UInt16(message, flags);
        UInt16(message, questions);
        UInt16(message, answers);
        UInt16(message, 0);
        UInt16(message, additional);
        return message;
    }

    private static void Fields(List<byte> message, DnsType type, uint seconds)
    {
        UInt16(message, (ushort)type);
        UInt16(message, InternetClass);
        UInt16(message, (ushort)(seconds >> 16));
        UInt16(message, (ushort)seconds);
    }

    private static void Name(List<byte> message, string name)
    {
        foreach (string label in name.Split('.'))
        {
            Label(message, label);
        }

        message.Add(0);
    }

    private static void Label(List<byte> message, string label)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(label);
        message.Add(checked((byte)bytes.Length));
        message.AddRange(bytes);
    }

    private static void Pointer(List<byte> message, int target) => UInt16(message, (ushort)(0xc000 | target));

    private static void Length(List<byte> message, int at)
    {
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, checked((ushort)(message.Count - at - 2)));
        (message[at], message[at + 1]) = (length[0], length[1]);
    }

    private static void UInt16(List<byte> message, ushort value)
    {
        message.Add((byte)(value >> 8));
        message.Add((byte)value);
    }
}
