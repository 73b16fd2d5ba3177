using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Multiformats;

/// <summary>A self-describing network address such as <c>/ip4/192.0.2.1/tcp/4001/p2p/12D3Koo…</c>. Immutable, compared by its bytes.</summary>
public sealed class Multiaddr : IEquatable<Multiaddr>
{
    /// <summary>Longest binary form that is accepted; a relay address with two peer ids has about 100 bytes.</summary>
    public const int MaxLength = 512;

    private const int MaxComponents = 16;

    private readonly byte[] _bytes;
    private readonly MultiaddrComponent[] _components;
    private string? _text;
    private IPAddress? _ipAddress;

    private Multiaddr(byte[] bytes, MultiaddrComponent[] components)
    {
        _bytes = bytes;
        _components = components;
    }

    public IReadOnlyList<MultiaddrComponent> Components => _components;

    public ReadOnlySpan<byte> Bytes => _bytes;

    public byte[] ToArray() => (byte[])_bytes.Clone();

    /// <summary>The peer at the end of the address, or <c>null</c> when it names none.</summary>
    public PeerId? Peer => _components[^1].Protocol == MultiaddrProtocol.P2P ? PeerId.Parse(_components[^1].Value) : null;

    /// <summary>Whether it leads through a relay.</summary>
    public bool IsRelayed => Array.Exists(_components, c => c.Protocol == MultiaddrProtocol.P2PCircuit);

    /// <summary>The relay it leads through, or <c>null</c> when it is direct or does not name one.</summary>
    public PeerId? Relay
    {
        get
        {
            int circuit = Array.FindIndex(_components, c => c.Protocol == MultiaddrProtocol.P2PCircuit);
            return circuit > 0 && _components[circuit - 1].Protocol == MultiaddrProtocol.P2P ? PeerId.Parse(_components[circuit - 1].Value) : null;
        }
    }

    /// <summary>The IP address it starts with, or <c>null</c> (names, for instance).</summary>
    public IPAddress? IpAddress => _components[0].Protocol is MultiaddrProtocol.Ip4 or MultiaddrProtocol.Ip6
        ? _ipAddress ??= IPAddress.Parse(_components[0].Value)
        : null;

    /// <exception cref="FormatException">Not a multiaddr of known protocols.</exception>
    public static Multiaddr Parse(string text) =>
        TryParse(text, out Multiaddr? address) ? address : throw new FormatException($"Not a multiaddr of known protocols: '{text}'.");

    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out Multiaddr? address)
    {
        address = null;
        if (text is null || text.Length is < 2 or > 2 * MaxLength || text[0] != '/')
        {
            return false;
        }

        string[] parts = text.TrimEnd('/').Split('/');
        ArrayBufferWriter<byte> writer = new(64);
        List<MultiaddrComponent> components = [];
        for (int i = 1; i < parts.Length;)
        {
            if (!MultiaddrCodec.TryGetProtocol(parts[i++], out MultiaddrProtocol protocol))
            {
                return false;
            }

            bool hasValue = MultiaddrCodec.HasValue(protocol);
            if ((hasValue && i == parts.Length) || !MultiaddrCodec.TryWrite(protocol, hasValue ? parts[i++] : "", writer, out string value))
            {
                return false;
            }

            components.Add(new MultiaddrComponent(protocol, value));
        }

        if (components.Count is 0 or > MaxComponents || writer.WrittenCount > MaxLength)
        {
            return false;
        }

        address = new Multiaddr(writer.WrittenSpan.ToArray(), [.. components]);
        return true;
    }

    /// <summary>Reads the binary form. <c>false</c> for malformed ones and unknown protocols: callers skip such addresses.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Multiaddr? address)
    {
        address = null;
        if (bytes.Length is 0 or > MaxLength)
        {
            return false;
        }

        List<MultiaddrComponent> components = new(4);
        for (ReadOnlySpan<byte> rest = bytes; !rest.IsEmpty;)
        {
            if (components.Count == MaxComponents || !MultiaddrCodec.TryRead(ref rest, out MultiaddrComponent component))
            {
                return false;
            }

            components.Add(component);
        }

        address = new Multiaddr(bytes.ToArray(), [.. components]);
        return true;
    }

    /// <summary><c>/ip4|ip6/…/tcp/…</c>; IPv4 addresses mapped into IPv6 become IPv4.</summary>
    public static Multiaddr FromEndPoint(IPEndPoint endPoint)
    {
        IPAddress ip = endPoint.Address.IsIPv4MappedToIPv6 ? endPoint.Address.MapToIPv4() : new IPAddress(endPoint.Address.GetAddressBytes());
        string family = ip.AddressFamily == AddressFamily.InterNetwork ? "ip4" : "ip6";
        return Parse(string.Create(CultureInfo.InvariantCulture, $"/{family}/{ip}/tcp/{endPoint.Port}"));
    }

    /// <summary>The TCP end point of a direct <c>/ip4|ip6/…/tcp/…[/p2p/…]</c> address; <c>false</c> for all others.</summary>
    public bool TryGetTcpEndPoint([NotNullWhen(true)] out IPEndPoint? endPoint)
    {
        endPoint = null;
        bool shape = _components.Length is 2 or 3
            && _components[1].Protocol == MultiaddrProtocol.Tcp
            && (_components.Length == 2 || _components[2].Protocol == MultiaddrProtocol.P2P);
        if (shape && IpAddress is { } ip)
        {
            endPoint = new IPEndPoint(ip, int.Parse(_components[1].Value, CultureInfo.InvariantCulture));
        }

        return endPoint is not null;
    }

    /// <summary>This address with <c>/p2p/peer</c> at its end, once.</summary>
    public Multiaddr WithPeer(PeerId peer) => WithoutPeer().Concat(Parse($"/p2p/{peer}"));

    /// <summary>This address without its trailing <c>/p2p/…</c>; itself when it has none or is nothing else.</summary>
    public Multiaddr WithoutPeer()
    {
        if (_components.Length < 2 || _components[^1].Protocol != MultiaddrProtocol.P2P)
        {
            return this;
        }

        ArrayBufferWriter<byte> last = new(64);
        MultiaddrCodec.TryWrite(MultiaddrProtocol.P2P, _components[^1].Value, last, out _);
        return new Multiaddr(_bytes[..^last.WrittenCount], _components[..^1]);
    }

    /// <summary>Appends the components of <paramref name="tail"/>. However long that becomes: the bounds are for what is read.</summary>
    public Multiaddr Concat(Multiaddr tail) => new([.. _bytes, .. tail._bytes], [.. _components, .. tail._components]);

    public bool Equals([NotNullWhen(true)] Multiaddr? other) => other is not null && Bytes.SequenceEqual(other.Bytes);

    public override bool Equals(object? obj) => Equals(obj as Multiaddr);

    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.AddBytes(_bytes);
        return hash.ToHashCode();
    }

    public override string ToString() => _text ??= Format();

    private string Format()
    {
        StringBuilder text = new();
        foreach (MultiaddrComponent component in _components)
        {
            text.Append('/').Append(MultiaddrCodec.GetName(component.Protocol));
            if (MultiaddrCodec.HasValue(component.Protocol))
            {
                text.Append('/').Append(component.Value);
            }
        }

        return text.ToString();
    }
}
