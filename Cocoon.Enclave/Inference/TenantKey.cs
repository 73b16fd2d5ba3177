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

    /// <summary>A name of this key that does not give the key away, for a cache that this process does not hold. 43 characters.</summary>
    public string ToSalt()
    {
        Span<byte> key = stackalloc byte[Length];
        BinaryPrimitives.WriteUInt64LittleEndian(key, _a);
        BinaryPrimitives.WriteUInt64LittleEndian(key[8..], _b);
        BinaryPrimitives.WriteUInt64LittleEndian(key[16..], _c);
        BinaryPrimitives.WriteUInt64LittleEndian(key[24..], _d);
        return System.Buffers.Text.Base64Url.EncodeToString(HMACSHA256.HashData(key, "cocoon/upstream-salt/1"u8));
    }

    /// <summary>Never the key.</summary>
    public override string ToString() => nameof(TenantKey);
}
