using System.Diagnostics.CodeAnalysis;

namespace Cocoon.Protocol.Cryptography;

/// <summary>An Ed25519 public key: 32 bytes, RFC 8032 §5.1.5. Compared by value.</summary>
public sealed class Ed25519PublicKey : IEquatable<Ed25519PublicKey>
{
    public const int Size = 32;

    private readonly byte[] _bytes;

    /// <exception cref="ArgumentException">Not 32 bytes. The point itself is judged by <see cref="IsPrimeOrder"/> and by verification.</exception>
    public Ed25519PublicKey(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
        {
            throw new ArgumentException($"An Ed25519 public key has {Size} bytes, not {bytes.Length}.", nameof(bytes));
        }

        _bytes = bytes.ToArray();
    }

    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>
    /// Whether the key is a valid point of the prime-order group. Required of every key that signs money:
    /// for others the chain and we may disagree about a signature.
    /// </summary>
    public bool IsPrimeOrder() => CurveBackend.Current.IsPrimeOrderPoint(_bytes);

    /// <summary><c>false</c> for any wrong length, point or signature, without detail.</summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) => Ed25519.Verify(_bytes, message, signature);

    public byte[] ToArray() => (byte[])_bytes.Clone();

    public bool Equals([NotNullWhen(true)] Ed25519PublicKey? other) => other is not null && Bytes.SequenceEqual(other.Bytes);

    public override bool Equals(object? obj) => Equals(obj as Ed25519PublicKey);

    public override int GetHashCode() => BitConverter.ToInt32(_bytes);

    /// <summary>Lower-case hexadecimal.</summary>
    public override string ToString() => Convert.ToHexStringLower(_bytes);
}
