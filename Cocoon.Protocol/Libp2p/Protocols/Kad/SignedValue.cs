using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>
/// A value that one peer signed, stored in the DHT under <c>/cocoon/&lt;peer id&gt;/&lt;name&gt;</c>: only that peer can place or replace it.
/// </summary>
/// <remarks>
/// A signed envelope (libp2p RFC 0002), domain <c>cocoon-dht-value</c>, type <c>/cocoon/value/1</c>; its payload is a sequence number of
/// 8 bytes big endian, the length of the key in one byte, the key and the data. The key is signed too, so that a value cannot be moved.
/// </remarks>
public sealed record SignedValue(ulong Sequence, ReadOnlyMemory<byte> Data)
{
    /// <summary>First part of the keys, and the name under which <see cref="SignedValueValidator"/> is registered.</summary>
    public const string Namespace = "cocoon";

    /// <summary>Largest data; own choice, for values are kept by strangers.</summary>
    public const int MaxData = 4096;

    public const int MaxNameLength = 64;

    private const string Domain = "cocoon-dht-value";

    private static ReadOnlySpan<byte> PayloadType => "/cocoon/value/1"u8;

    /// <exception cref="ArgumentException">The name is empty, too long, or has other characters than letters, digits, '.', '_' and '-'.</exception>
    public static byte[] Key(PeerId owner, string name) =>
        IsName(name) ? Encoding.ASCII.GetBytes($"/{Namespace}/{owner}/{name}") : throw new ArgumentException("Not a name of a value.", nameof(name));

    /// <summary><c>false</c> unless it is the key of a signed value.</summary>
    public static bool TryReadKey(ReadOnlySpan<byte> key, [NotNullWhen(true)] out PeerId? owner, [NotNullWhen(true)] out string? name)
    {
        (owner, name) = (null, null);
        if (key.Length > KadMessageReader.MaxKeyLength || !Ascii.IsValid(key))
        {
            return false;
        }

        string[] parts = Encoding.ASCII.GetString(key).Split('/');
        if (parts is not ["", Namespace, var peer, var last] || !IsName(last) || !PeerId.TryParse(peer, out owner) || owner.ToString() != peer)
        {
            return false;
        }

        name = last;
        return true;
    }

    /// <exception cref="ArgumentException">The data is larger than <see cref="MaxData"/>.</exception>
    public static byte[] Seal(Ed25519PrivateKey key, ReadOnlySpan<byte> storedUnder, ulong sequence, ReadOnlySpan<byte> data)
    {
        if (data.Length > MaxData)
        {
            throw new ArgumentException($"A value has at most {MaxData} bytes.", nameof(data));
        }

        byte[] payload = new byte[sizeof(ulong) + 1 + storedUnder.Length + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(payload, sequence);
        payload[sizeof(ulong)] = checked((byte)storedUnder.Length);
        storedUnder.CopyTo(payload.AsSpan(sizeof(ulong) + 1));
        data.CopyTo(payload.AsSpan(sizeof(ulong) + 1 + storedUnder.Length));
        return SignedEnvelope.Seal(key, Domain, PayloadType, payload);
    }

    /// <summary><c>false</c> unless the owner named in the key signed it for this key.</summary>
    public static bool TryOpen(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, [NotNullWhen(true)] out SignedValue? opened)
    {
        opened = null;
        if (!TryReadKey(key, out PeerId? owner, out _)
            || !SignedEnvelope.TryOpen(value, Domain, PayloadType, out Ed25519PublicKey? signer, out byte[]? payload)
            || PeerId.FromPublicKey(signer) != owner
            || payload.Length < sizeof(ulong) + 1
            || payload[sizeof(ulong)] != key.Length
            || !payload.AsSpan(sizeof(ulong) + 1).StartsWith(key)
            || payload.Length - sizeof(ulong) - 1 - key.Length > MaxData)
        {
            return false;
        }

        opened = new SignedValue(BinaryPrimitives.ReadUInt64BigEndian(payload), payload.AsMemory(sizeof(ulong) + 1 + key.Length));
        return true;
    }

    private static bool IsName(string name) =>
        name.Length is > 0 and <= MaxNameLength && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}

/// <summary>The rules of <c>/cocoon/…</c> values: signed by the owner named in the key, a higher sequence replaces a lower one.</summary>
public sealed class SignedValueValidator : IKadValidator
{
    public bool Validate(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => SignedValue.TryOpen(key, value, out _);

    public bool IsBetter(ReadOnlySpan<byte> key, ReadOnlySpan<byte> candidate, ReadOnlySpan<byte> current) =>
        SignedValue.TryOpen(key, candidate, out SignedValue? better) && SignedValue.TryOpen(key, current, out SignedValue? known) && better.Sequence > known.Sequence;
}
