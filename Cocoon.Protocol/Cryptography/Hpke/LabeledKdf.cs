using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>LabeledExtract and LabeledExpand of RFC 9180 §4 over HKDF-SHA256.</summary>
internal static class LabeledKdf
{
    public const ushort HkdfSha256 = 0x0001;
    public const int HashSize = 32;

    private static ReadOnlySpan<byte> Version => "HPKE-v1"u8;

    public static void Extract(
        ReadOnlySpan<byte> salt, ReadOnlySpan<byte> suiteId, ReadOnlySpan<byte> label, ReadOnlySpan<byte> inputKey, Span<byte> prk)
    {
        byte[] labeled = Concat(Version, suiteId, label, inputKey);
        HKDF.Extract(HashAlgorithmName.SHA256, labeled, salt, prk);
        CryptographicOperations.ZeroMemory(labeled);
    }

    public static void Expand(
        ReadOnlySpan<byte> prk, ReadOnlySpan<byte> suiteId, ReadOnlySpan<byte> label, ReadOnlySpan<byte> info, Span<byte> output)
    {
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, checked((ushort)output.Length));
        HKDF.Expand(HashAlgorithmName.SHA256, prk, output, Concat(length, Version, suiteId, label, info));
    }

    private static byte[] Concat(
        ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, ReadOnlySpan<byte> c, ReadOnlySpan<byte> d, ReadOnlySpan<byte> e = default) =>
        [.. a, .. b, .. c, .. d, .. e];
}
