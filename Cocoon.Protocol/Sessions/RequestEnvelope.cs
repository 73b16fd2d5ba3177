using System.Buffers.Binary;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Protocol.Sessions;

/// <summary><c>key id [8] ‖ u16 KEM ‖ u16 KDF ‖ u16 AEAD ‖ enc ‖ ciphertext</c>, big endian.</summary>
internal readonly ref struct RequestEnvelope
{
    public const int KeyIdSize = 8;
    public const int HeaderSize = KeyIdSize + (3 * sizeof(ushort));

    private RequestEnvelope(ReadOnlySpan<byte> header, ReadOnlySpan<byte> encapsulation, ReadOnlySpan<byte> ciphertext)
    {
        Header = header;
        Encapsulation = encapsulation;
        Ciphertext = ciphertext;
    }

    public ReadOnlySpan<byte> Header { get; }

    public ReadOnlySpan<byte> Encapsulation { get; }

    public ReadOnlySpan<byte> Ciphertext { get; }

    /// <summary>The key that the request was sealed to.</summary>
    /// <exception cref="SessionException">Too short.</exception>
    public static ReadOnlySpan<byte> KeyIdOf(ReadOnlySpan<byte> bytes) => bytes.Length < HeaderSize
        ? throw new SessionException(SessionErrorCode.Malformed, "sealed request too short")
        : bytes[..KeyIdSize];

    /// <param name="suite">That of the key that the request names.</param>
    /// <exception cref="SessionException">Too short, or sealed under another suite.</exception>
    public static RequestEnvelope Read(ReadOnlySpan<byte> bytes, HpkeSuite suite)
    {
        if (!bytes.StartsWith(WriteHeader(KeyIdOf(bytes), suite)))
        {
            throw new SessionException(SessionErrorCode.UnknownKey, "suite of another key");
        }

        ReadOnlySpan<byte> rest = bytes[HeaderSize..];
        return rest.Length < suite.Kem.EncapsulationSize + HpkeAead.TagSize
            ? throw new SessionException(SessionErrorCode.Malformed, "sealed request too short")
            : new RequestEnvelope(bytes[..HeaderSize], rest[..suite.Kem.EncapsulationSize], rest[suite.Kem.EncapsulationSize..]);
    }

    public static byte[] WriteHeader(ReadOnlySpan<byte> keyId, HpkeSuite suite)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(keyId.Length, KeyIdSize);
        byte[] header = new byte[HeaderSize];
        keyId.CopyTo(header);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(KeyIdSize), suite.Kem.Id);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(KeyIdSize + 2), suite.KdfId);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(KeyIdSize + 4), suite.AeadId);
        return header;
    }

    /// <summary>HPKE info: a ciphertext opens only for the enclave instance whose evidence the client appraised.</summary>
    public static byte[] Info(ReadOnlySpan<byte> header, ReadOnlySpan<byte> reportData) => [.. SessionDomains.Request, .. header, .. reportData];

    /// <summary>Associated data: this session, and exactly this routing header.</summary>
    public static byte[] AssociatedData(ReadOnlySpan<byte> transcriptHash, ReadOnlySpan<byte> routingHeader) =>
        [.. transcriptHash, .. System.Security.Cryptography.SHA256.HashData(routingHeader)];
}
