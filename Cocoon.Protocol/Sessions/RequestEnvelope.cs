using System.Buffers.Binary;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Protocol.Sessions;

/// <summary><c>key id [8] ‖ u16 KEM ‖ u16 KDF ‖ u16 AEAD ‖ enc ‖ ciphertext</c>, big endian.</summary>
internal readonly ref struct RequestEnvelope
{
    public const int KeyIdSize = 8;
    public const int HeaderSize = KeyIdSize + (3 * sizeof(ushort));

    private RequestEnvelope(HpkeSuite suite, ReadOnlySpan<byte> header, ReadOnlySpan<byte> encapsulation, ReadOnlySpan<byte> ciphertext)
    {
        Suite = suite;
        Header = header;
        Encapsulation = encapsulation;
        Ciphertext = ciphertext;
    }

    public HpkeSuite Suite { get; }

    public ReadOnlySpan<byte> Header { get; }

    public ReadOnlySpan<byte> Encapsulation { get; }

    public ReadOnlySpan<byte> Ciphertext { get; }

    public ReadOnlySpan<byte> KeyId => Header[..KeyIdSize];

    /// <exception cref="SessionException">Too short, or a suite that this machine does not use.</exception>
    public static RequestEnvelope Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderSize)
        {
            throw new SessionException(SessionErrorCode.Malformed, "sealed request too short");
        }

        ReadOnlySpan<byte> ids = bytes[KeyIdSize..HeaderSize];
        if (!HpkeSuite.TryGet(
            BinaryPrimitives.ReadUInt16BigEndian(ids),
            BinaryPrimitives.ReadUInt16BigEndian(ids[2..]),
            BinaryPrimitives.ReadUInt16BigEndian(ids[4..]),
            out HpkeSuite? suite))
        {
            throw new SessionException(SessionErrorCode.UnknownKey, "unsupported suite");
        }

        ReadOnlySpan<byte> rest = bytes[HeaderSize..];
        return rest.Length < suite.Kem.EncapsulationSize + HpkeAead.TagSize
            ? throw new SessionException(SessionErrorCode.Malformed, "sealed request too short")
            : new RequestEnvelope(suite, bytes[..HeaderSize], rest[..suite.Kem.EncapsulationSize], rest[suite.Kem.EncapsulationSize..]);
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
