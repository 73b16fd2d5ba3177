using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cocoon.Enclave.Inference;

/// <summary>Opaque 32-byte key under which a request's prefix may be reused; derived in the enclave, never an identity.</summary>
internal readonly record struct TenantKey
{
    public const int Length = 32;

    private readonly ulong _a, _b, _c, _d;

    public TenantKey(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, Length, nameof(key));
        _a = BinaryPrimitives.ReadUInt64LittleEndian(key);
        _b = BinaryPrimitives.ReadUInt64LittleEndian(key[8..]);
        _c = BinaryPrimitives.ReadUInt64LittleEndian(key[16..]);
        _d = BinaryPrimitives.ReadUInt64LittleEndian(key[24..]);
    }

    /// <summary>A fresh key: nothing is ever reused under it by anybody else.</summary>
    public static TenantKey CreateRandom()
    {
        Span<byte> key = stackalloc byte[Length];
        RandomNumberGenerator.Fill(key);
        return new TenantKey(key);
    }

    /// <summary>Never the key.</summary>
    public override string ToString() => nameof(TenantKey);
}
