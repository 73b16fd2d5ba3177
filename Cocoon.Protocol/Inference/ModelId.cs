using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Cocoon.Protocol.Inference;

/// <summary>SHA-256 of a <see cref="ModelManifest"/>'s canonical bytes: the one name of a model in offers, sessions and receipts.</summary>
internal readonly record struct ModelId
{
    public const int Length = 32;

    private readonly ulong _a, _b, _c, _d;

    /// <exception cref="ArgumentException">Not exactly 32 bytes.</exception>
    public ModelId(ReadOnlySpan<byte> digest)
    {
        if (digest.Length != Length)
        {
            throw new ArgumentException("a model id has 32 bytes", nameof(digest));
        }

        _a = BinaryPrimitives.ReadUInt64BigEndian(digest);
        _b = BinaryPrimitives.ReadUInt64BigEndian(digest[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(digest[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(digest[24..]);
    }

    public static bool TryParse(string? text, out ModelId id)
    {
        id = default;
        Span<byte> digest = stackalloc byte[Length];
        if (text is not { Length: Length * 2 }
            || Convert.FromHexString(text, digest, out _, out int written) != System.Buffers.OperationStatus.Done
            || written != Length)
        {
            return false;
        }

        id = new ModelId(digest);
        return true;
    }

    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _d);
    }

    public byte[] ToArray()
    {
        byte[] bytes = new byte[Length];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>64 lower-case hexadecimal digits.</summary>
    [SuppressMessage("Globalization", "CA1305", Justification = "hexadecimal has no culture")]
    public override string ToString() => $"{_a:x16}{_b:x16}{_c:x16}{_d:x16}";
}
