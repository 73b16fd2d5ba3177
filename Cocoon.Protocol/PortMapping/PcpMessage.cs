using System.Buffers.Binary;
using System.Net;

namespace Cocoon.Protocol.PortMapping;

/// <summary>PCP's MAP messages (RFC 6887, sections 7 and 11).</summary>
/// <remarks>
/// <code>
/// request: | 2 | 1   | reserved 2                | lifetime 4 | client address 16       | MAP 36
/// answer:  | 2 | 129 | reserved 1 | result 1     | lifetime 4 | epoch 4 | reserved 12   | MAP 36
/// MAP:     | nonce 12 | protocol 1 | reserved 3 | inner port 2 | outer port 2 | outer address 16 |
/// </code>
/// </remarks>
internal static class PcpMessage
{
    public const int NonceLength = 12;

    private const byte Version = 2, Map = 1, AnswerBit = 128, Tcp = 6;

    private const int HeaderLength = 24, Length = 60;

    public static byte[] MapRequest(ReadOnlySpan<byte> nonce, IPEndPoint inside, int outer, IPAddress outerAddress, uint seconds)
    {
        byte[] message = new byte[Length];
        message[0] = Version;
        message[1] = Map;
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(4), seconds);
        inside.Address.MapToIPv6().TryWriteBytes(message.AsSpan(8), out _);
        nonce.CopyTo(message.AsSpan(HeaderLength));
        message[36] = Tcp;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(40), checked((ushort)inside.Port));
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(42), checked((ushort)outer));
        outerAddress.MapToIPv6().TryWriteBytes(message.AsSpan(44), out _);
        return message;
    }

    /// <summary>
    /// <c>false</c> for anything that does not answer the request with this nonce. A NAT-PMP gateway answers with version 0: that is a refusal.
    /// </summary>
    public static bool TryReadAnswer(ReadOnlySpan<byte> message, ReadOnlySpan<byte> nonce, int inner, out PcpAnswer answer)
    {
        answer = default;
        if (message.Length >= 4 && message[0] != Version && (message[1] & AnswerBit) != 0)
        {
            answer = new PcpAnswer(PcpAnswer.UnsupportedVersion, 0, 0, IPAddress.IPv6Any);
            return true;
        }

        if (message.Length < HeaderLength || message[0] != Version || message[1] != (Map | AnswerBit))
        {
            return false;
        }

        byte result = message[3];
        uint seconds = BinaryPrimitives.ReadUInt32BigEndian(message[4..]);
        if (message.Length < Length)
        {
            // Refusals may come without the body; they promise nothing, so they need no nonce.
            answer = new PcpAnswer(result, 0, seconds, IPAddress.IPv6Any);
            return result != 0;
        }

        if (!message.Slice(HeaderLength, NonceLength).SequenceEqual(nonce) || message[36] != Tcp || BinaryPrimitives.ReadUInt16BigEndian(message[40..]) != inner)
        {
            return false;
        }

        IPAddress outer = new(message.Slice(44, 16));
        answer = new PcpAnswer(
            result, BinaryPrimitives.ReadUInt16BigEndian(message[42..]), seconds, outer.IsIPv4MappedToIPv6 ? outer.MapToIPv4() : outer);
        return true;
    }
}

/// <param name="Seconds">Lifetime; of a refusal, how long it holds.</param>
internal readonly record struct PcpAnswer(byte Result, int Outer, uint Seconds, IPAddress OuterAddress)
{
    public const byte UnsupportedVersion = 1;

    /// <summary>Section 7.4.</summary>
    public string Words => Result switch
    {
        UnsupportedVersion => "unsupported version",
        2 => "not authorised",
        3 => "malformed request",
        4 or 5 => "unsupported operation",
        7 => "network failure: it has no outer address itself",
        8 => "no resources",
        10 => "user over quota",
        11 => "cannot provide that outer port",
        12 => "another NAT is in between",
        _ => $"result {Result}",
    };
}
