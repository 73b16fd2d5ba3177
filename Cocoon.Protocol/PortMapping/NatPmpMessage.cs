using System.Buffers.Binary;
using System.Net;

namespace Cocoon.Protocol.PortMapping;

/// <summary>NAT-PMP messages (RFC 6886, section 3).</summary>
/// <remarks>
/// <code>
/// address request:  | 0 | 0 |                    answer: | 0 | 128 | result 2 | epoch 4 | address 4 |
/// mapping request:  | 0 | 2 | 0 2 | inner port 2 | outer port 2 | lifetime 4 |
///          answer:  | 0 | 130 | result 2 | epoch 4 | inner port 2 | outer port 2 | lifetime 4 |
/// </code>
/// </remarks>
internal static class NatPmpMessage
{
    public const int Port = 5351;

    private const byte Version = 0, MapTcp = 2, AnswerBit = 128;

    public static byte[] AddressRequest() => [Version, 0];

    public static byte[] MapRequest(int inner, int outer, uint seconds)
    {
        byte[] message = new byte[12];
        message[1] = MapTcp;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(4), checked((ushort)inner));
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(6), checked((ushort)outer));
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(8), seconds);
        return message;
    }

    /// <summary><c>false</c> for anything that is no answer to an address request. A refusal is an answer without address.</summary>
    public static bool TryReadAddress(ReadOnlySpan<byte> message, out (ushort Result, IPAddress? Address) answer)
    {
        answer = default;
        if (!IsAnswer(message, 0, out ushort result) || (result == 0 && message.Length < 12))
        {
            return false;
        }

        answer = (result, result == 0 ? new IPAddress(message.Slice(8, 4)) : null);
        return true;
    }

    /// <summary><c>false</c> for anything that is no answer about this inner port.</summary>
    public static bool TryReadMapping(ReadOnlySpan<byte> message, int inner, out (ushort Result, int Outer, uint Seconds) answer)
    {
        answer = default;
        if (!IsAnswer(message, MapTcp, out ushort result))
        {
            return false;
        }

        if (result != 0)
        {
            answer = (result, 0, 0);
            return true;
        }

        if (message.Length < 16 || BinaryPrimitives.ReadUInt16BigEndian(message[8..]) != inner)
        {
            return false;
        }

        answer = (0, BinaryPrimitives.ReadUInt16BigEndian(message[10..]), BinaryPrimitives.ReadUInt32BigEndian(message[12..]));
        return true;
    }

    /// <summary>Section 3.5.</summary>
    public static string Describe(ushort result) => result switch
    {
        1 => "unsupported version",
        2 => "not authorised: port mapping is switched off",
        3 => "network failure: it has no outer address itself",
        4 => "out of resources",
        5 => "unsupported operation",
        _ => $"result {result}",
    };

    private static bool IsAnswer(ReadOnlySpan<byte> message, byte operation, out ushort result)
    {
        result = 0;
        if (message.Length < 8 || message[0] != Version || message[1] != (operation | AnswerBit))
        {
            return false;
        }

        result = BinaryPrimitives.ReadUInt16BigEndian(message[2..]);
        return true;
    }
}
