using System.Buffers.Binary;
using System.Text;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>Protocol <c>/cocoon/pay/1.0.0</c>: one request and one answer per stream, each with a varint length before it.</summary>
internal static class PayProtocol
{
    public const string Id = "/cocoon/pay/1.0.0";

    /// <summary>Bytes of a message.</summary>
    public const int MaxMessage = 64 * 1024;

    /// <summary>How far the clock of a state request may be off.</summary>
    public static readonly TimeSpan MaxSkew = TimeSpan.FromMinutes(5);

    private static readonly byte[] s_stateDomain = Encoding.ASCII.GetBytes("cocoon/pay-state/v1\0");

    /// <summary>What the pay key signs to ask for a channel's state: domain ‖ channel ‖ peer id of the provider asked ‖ time, big-endian.</summary>
    public static byte[] StateChallenge(CellHash channel, PeerId provider, ulong timeMs)
    {
        byte[] message = new byte[s_stateDomain.Length + CellHash.Size + provider.Bytes.Length + sizeof(ulong)];
        s_stateDomain.CopyTo(message, 0);
        channel.CopyTo(message.AsSpan(s_stateDomain.Length));
        provider.Bytes.CopyTo(message.AsSpan(s_stateDomain.Length + CellHash.Size));
        BinaryPrimitives.WriteUInt64BigEndian(message.AsSpan(message.Length - sizeof(ulong)), timeMs);
        return message;
    }

    public static bool VerifyState(Ed25519PublicKey payKey, CellHash channel, PeerId provider, ulong timeMs, ReadOnlySpan<byte> signature, DateTimeOffset now)
    {
        Int128 skew = (Int128)now.ToUnixTimeMilliseconds() - timeMs;
        return Int128.Abs(skew) <= (Int128)MaxSkew.TotalMilliseconds && payKey.Verify(StateChallenge(channel, provider, timeMs), signature);
    }
}
