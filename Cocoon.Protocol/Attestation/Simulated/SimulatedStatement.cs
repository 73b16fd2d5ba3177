using System.Collections.Immutable;
using Cocoon.Protocol.Cryptography;

namespace Cocoon.Protocol.Attestation.Simulated;

/// <summary>The evidence of a software enclave: proves nothing about hardware, only that one boot key said all of it.</summary>
/// <remarks>
/// <c>"cocoon/simulated-evidence/v1\0" ‖ report_data [64] ‖ u64 issued at (ms) ‖ u32 length ‖ protections ‖ boot key [32] ‖
/// signature [64] over everything before it</c>. The domain string keeps it apart from every hardware format.
/// </remarks>
internal sealed record SimulatedStatement(ImmutableArray<byte> ReportData, ulong IssuedAtMs, ImmutableArray<byte> Protections)
{
    public const int MaxProtections = 8 << 10;

    private static ReadOnlySpan<byte> Domain => "cocoon/simulated-evidence/v1\0"u8;

    public byte[] Sign(Ed25519PrivateKey bootKey)
    {
        byte[] body = new BindingWriter().Raw(Domain).Raw(ReportData.AsSpan()).U64(IssuedAtMs).Opaque32(Protections.AsSpan())
            .Raw(bootKey.PublicKey.Bytes).ToArray();
        return [.. body, .. bootKey.Sign(body)];
    }

    /// <param name="isSigned">Whether the signature holds.</param>
    /// <exception cref="EvidenceException">Not of this form.</exception>
    public static SimulatedStatement Decode(ReadOnlySpan<byte> bytes, out bool isSigned)
    {
        BindingReader reader = new(bytes);
        reader.Expect(Domain);
        ImmutableArray<byte> reportData = [.. reader.Take(EnclaveBinding.ReportDataSize)];
        ulong issuedAt = reader.U64();
        ImmutableArray<byte> protections = [.. reader.Opaque32(MaxProtections)];
        ReadOnlySpan<byte> key = reader.Take(Ed25519PublicKey.Size);
        ReadOnlySpan<byte> signature = reader.Take(Ed25519.SignatureSize);
        reader.ExpectEnd();
        isSigned = Ed25519.Verify(key, bytes[..^Ed25519.SignatureSize], signature);
        return new SimulatedStatement(reportData, issuedAt, protections);
    }
}
