using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Multiformats;

/// <summary>Text and binary form of the single components of a multiaddr.</summary>
internal static class MultiaddrCodec
{
    private const int MaxNameLength = 253;

    private static readonly (MultiaddrProtocol Protocol, string Name)[] Names =
    [
        (MultiaddrProtocol.Ip4, "ip4"), (MultiaddrProtocol.Tcp, "tcp"), (MultiaddrProtocol.Ip6, "ip6"),
        (MultiaddrProtocol.Ip6Zone, "ip6zone"), (MultiaddrProtocol.Dns, "dns"), (MultiaddrProtocol.Dns4, "dns4"),
        (MultiaddrProtocol.Dns6, "dns6"), (MultiaddrProtocol.DnsAddr, "dnsaddr"), (MultiaddrProtocol.Udp, "udp"),
        (MultiaddrProtocol.P2PCircuit, "p2p-circuit"), (MultiaddrProtocol.P2P, "p2p"), (MultiaddrProtocol.P2P, "ipfs"),
    ];

    public static string GetName(MultiaddrProtocol protocol) => Array.Find(Names, n => n.Protocol == protocol).Name;

    public static bool TryGetProtocol(ReadOnlySpan<char> name, out MultiaddrProtocol protocol)
    {
        foreach ((MultiaddrProtocol candidate, string text) in Names)
        {
            if (name.SequenceEqual(text))
            {
                protocol = candidate;
                return true;
            }
        }

        protocol = default;
        return false;
    }

    public static bool HasValue(MultiaddrProtocol protocol) => protocol != MultiaddrProtocol.P2PCircuit;

    /// <summary>Appends the binary form; gives the value back in its one canonical text form.</summary>
    public static bool TryWrite(MultiaddrProtocol protocol, string value, ArrayBufferWriter<byte> writer, out string canonical)
    {
        canonical = value;
        Varint.Write(writer, (ulong)protocol);
        switch (protocol)
        {
            case MultiaddrProtocol.Ip4:
            case MultiaddrProtocol.Ip6:
                AddressFamily family = protocol == MultiaddrProtocol.Ip4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
                if (!IPAddress.TryParse(value, out IPAddress? ip) || ip.AddressFamily != family || value.Contains('%')
                    || (protocol == MultiaddrProtocol.Ip4 && value.AsSpan().Count('.') != 3))
                {
                    return false;
                }

                writer.Write(ip.GetAddressBytes());
                canonical = ip.ToString();
                return true;
            case MultiaddrProtocol.Tcp:
            case MultiaddrProtocol.Udp:
                if (!ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
                {
                    return false;
                }

                BinaryPrimitives.WriteUInt16BigEndian(writer.GetSpan(2), port);
                writer.Advance(2);
                canonical = port.ToString(CultureInfo.InvariantCulture);
                return true;
            case MultiaddrProtocol.P2P:
                if (!PeerId.TryParse(value, out PeerId? peer))
                {
                    return false;
                }

                Varint.Write(writer, (ulong)peer.Bytes.Length);
                writer.Write(peer.Bytes);
                canonical = peer.ToString();
                return true;
            case MultiaddrProtocol.P2PCircuit:
                return value.Length == 0;
            default:
                if (!IsName(value))
                {
                    return false;
                }

                Varint.Write(writer, (ulong)value.Length);
                writer.Write(Encoding.ASCII.GetBytes(value));
                return true;
        }
    }

    /// <summary>Reads one component; <c>false</c> for unknown codes and malformed values.</summary>
    public static bool TryRead(ref ReadOnlySpan<byte> source, out MultiaddrComponent component)
    {
        component = default;
        if (!Varint.TryReadInt(ref source, out int code) || !Enum.IsDefined((MultiaddrProtocol)code))
        {
            return false;
        }

        MultiaddrProtocol protocol = (MultiaddrProtocol)code;
        if (!TryGetLength(protocol, ref source, out int length) || length > source.Length)
        {
            return false;
        }

        ReadOnlySpan<byte> value = source[..length];
        source = source[length..];
        string? text = protocol switch
        {
            MultiaddrProtocol.Ip4 or MultiaddrProtocol.Ip6 => new IPAddress(value).ToString(),
            MultiaddrProtocol.Tcp or MultiaddrProtocol.Udp => BinaryPrimitives.ReadUInt16BigEndian(value).ToString(CultureInfo.InvariantCulture),
            MultiaddrProtocol.P2PCircuit => "",
            MultiaddrProtocol.P2P => PeerId.TryFromBytes(value, out PeerId? peer) ? peer.ToString() : null,
            _ => Encoding.Latin1.GetString(value) is { } name && IsName(name) ? name : null,
        };
        component = new MultiaddrComponent(protocol, text ?? "");
        return text is not null;
    }

    private static bool TryGetLength(MultiaddrProtocol protocol, ref ReadOnlySpan<byte> source, out int length)
    {
        switch (protocol)
        {
            case MultiaddrProtocol.Ip4:
                length = 4;
                return true;
            case MultiaddrProtocol.Ip6:
                length = 16;
                return true;
            case MultiaddrProtocol.Tcp:
            case MultiaddrProtocol.Udp:
                length = 2;
                return true;
            case MultiaddrProtocol.P2PCircuit:
                length = 0;
                return true;
            default:
                return Varint.TryReadInt(ref source, out length) && length <= MaxNameLength;
        }
    }

    /// <summary>Visible ASCII without a slash, so that the text form parses back.</summary>
    private static bool IsName(string value)
    {
        if (value.Length is 0 or > MaxNameLength)
        {
            return false;
        }

        foreach (char c in value)
        {
            if (c is <= ' ' or > '~' or '/')
            {
                return false;
            }
        }

        return true;
    }
}
