using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>The nonce that a GPU's report must answer: it ties the report to one enclave's identity and boot.</summary>
/// <remarks><c>SHA-256("cocoon/gpu-nonce/v1\0" ‖ boot nonce ‖ SHA-256(identity key) ‖ u16 device index, big endian)</c>.</remarks>
internal static class GpuNonce
{
    private static ReadOnlySpan<byte> Domain => "cocoon/gpu-nonce/v1\0"u8;

    public static byte[] Derive(ReadOnlySpan<byte> bootNonce, ReadOnlySpan<byte> identityKey, int deviceIndex)
    {
        Span<byte> index = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16BigEndian(index, checked((ushort)deviceIndex));
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Domain);
        hash.AppendData(bootNonce);
        hash.AppendData(SHA256.HashData(identityKey));
        hash.AppendData(index);
        return hash.GetHashAndReset();
    }
}
