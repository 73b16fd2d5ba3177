using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Multiformats;
using SimpleBase;

namespace Cocoon.Protocol.Identity;

/// <summary>A libp2p peer id: the multihash of the peer's public key. Compared by its bytes.</summary>
/// <remarks>
/// Ed25519 ids carry the whole key (identity multihash, <c>12D3KooW…</c>). Ids of other key types (sha2-256, <c>Qm…</c>) can be named
/// and stored, but no connection to them is ever accepted. Text forms: base58btc, and CIDv1 <c>libp2p-key</c> in base32.
/// </remarks>
public sealed class PeerId : IEquatable<PeerId>, IComparable<PeerId>
{
    /// <summary>Longest binary form: identity multihash of a key of 42 bytes.</summary>
    public const int MaxLength = 44;

    private const int MaxInlineKeyLength = 42;

    /// <summary>CIDv1, codec libp2p-key (0x72).</summary>
    private static ReadOnlySpan<byte> CidPrefix => [0x01, 0x72];

    private readonly byte[] _bytes;
    private string? _text;

    private PeerId(byte[] bytes) => _bytes = bytes;

    public ReadOnlySpan<byte> Bytes => _bytes;

    public ReadOnlyMemory<byte> Memory => _bytes;

    public byte[] ToArray() => (byte[])_bytes.Clone();

    public static PeerId FromPublicKey(Ed25519PublicKey key) => new(Multihash.Identity(PublicKeyProtobuf.Encode(key)));

    /// <summary><c>false</c> unless it is exactly a sha2-256 or an inlined Ed25519 key.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out PeerId? peer)
    {
        peer = null;
        if (bytes.Length > MaxLength || !Multihash.TryRead(bytes, out int code, out ReadOnlySpan<byte> digest))
        {
            return false;
        }

        bool valid = code switch
        {
            Multihash.IdentityCode => digest.Length <= MaxInlineKeyLength && PublicKeyProtobuf.TryDecode(digest, out _),
            Multihash.Sha256Code => true,
            _ => false,
        };
        if (valid)
        {
            peer = new PeerId(bytes.ToArray());
        }

        return valid;
    }

    /// <exception cref="FormatException">Not a peer id.</exception>
    public static PeerId Parse(string text) => TryParse(text, out PeerId? peer) ? peer : throw new FormatException($"Not a peer id: '{text}'.");

    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out PeerId? peer)
    {
        peer = null;
        if (text is null || text.Length is < 2 or > 96)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[128];
        if (text[0] == 'b')
        {
            return TryDecodeBase32(text.AsSpan(1), bytes, out int length)
                && bytes[..length].StartsWith(CidPrefix)
                && TryFromBytes(bytes[CidPrefix.Length..length], out peer);
        }

        return text.AsSpan().IndexOfAnyExcept(Base58Alphabet) < 0
            && Base58.Bitcoin.TryDecode(text, bytes, out int written)
            && TryFromBytes(bytes[..written], out peer);
    }

    /// <summary>The inlined public key; <c>false</c> for hashed ids.</summary>
    public bool TryGetPublicKey([NotNullWhen(true)] out Ed25519PublicKey? key)
    {
        key = null;
        return Multihash.TryRead(_bytes, out int code, out ReadOnlySpan<byte> digest)
            && code == Multihash.IdentityCode
            && PublicKeyProtobuf.TryDecode(digest, out key);
    }

    /// <summary>CIDv1 text form, <c>bafz…</c>.</summary>
    public string ToCidString() => "b" + Base32.Rfc4648.Encode([.. CidPrefix, .. _bytes], padding: false).ToLowerInvariant();

    public bool Equals([NotNullWhen(true)] PeerId? other) => other is not null && Bytes.SequenceEqual(other.Bytes);

    public override bool Equals(object? obj) => Equals(obj as PeerId);

    public int CompareTo(PeerId? other) => other is null ? 1 : Bytes.SequenceCompareTo(other.Bytes);

    // The last bytes are key or hash material, evenly spread; the first ones are the same for all.
    public override int GetHashCode() => BitConverter.ToInt32(_bytes, _bytes.Length - 4);

    public override string ToString() => _text ??= Base58.Bitcoin.Encode(_bytes);

    public static bool operator ==(PeerId? left, PeerId? right) => left is null ? right is null : left.Equals(right);

    public static bool operator !=(PeerId? left, PeerId? right) => !(left == right);

    public static bool operator <(PeerId? left, PeerId? right) => Comparer<PeerId>.Default.Compare(left, right) < 0;

    public static bool operator >(PeerId? left, PeerId? right) => Comparer<PeerId>.Default.Compare(left, right) > 0;

    public static bool operator <=(PeerId? left, PeerId? right) => Comparer<PeerId>.Default.Compare(left, right) <= 0;

    public static bool operator >=(PeerId? left, PeerId? right) => Comparer<PeerId>.Default.Compare(left, right) >= 0;

    private static readonly System.Buffers.SearchValues<char> Base58Alphabet =
        System.Buffers.SearchValues.Create("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");

    /// <summary>RFC 4648 lower case without padding; strict, because several texts for one id would defeat comparison.</summary>
    private static bool TryDecodeBase32(ReadOnlySpan<char> text, Span<byte> destination, out int length)
    {
        length = 0;
        int buffer = 0, bits = 0;
        foreach (char c in text)
        {
            int value = c switch
            {
                >= 'a' and <= 'z' => c - 'a',
                >= '2' and <= '7' => c - '2' + 26,
                _ => -1,
            };
            if (value < 0 || length == destination.Length)
            {
                return false;
            }

            buffer = (buffer << 5) | value;
            bits += 5;
            if (bits >= 8)
            {
                bits -= 8;
                destination[length++] = (byte)(buffer >> bits);
                buffer &= (1 << bits) - 1;
            }
        }

        return bits < 5 && buffer == 0;
    }
}
