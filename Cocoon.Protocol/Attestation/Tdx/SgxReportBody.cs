using System.Buffers.Binary;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>The quoting enclave's own report inside a quote.</summary>
/// <remarks>
/// Little endian, 384 bytes: 0 [16] CPUSVN, 16 u32 MISCSELECT, 48 [16] ATTRIBUTES, 64 [32] MRENCLAVE, 128 [32] MRSIGNER,
/// 256 u16 ISVPRODID, 258 u16 ISVSVN, 320 [64] REPORTDATA.
/// </remarks>
internal sealed class SgxReportBody(ReadOnlyMemory<byte> bytes)
{
    public const int Size = 384;

    public ReadOnlySpan<byte> Bytes => bytes.Span;

    public uint MiscSelect => BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span[16..]);

    public ReadOnlySpan<byte> Attributes => bytes.Span.Slice(48, 16);

    public ReadOnlySpan<byte> MrSigner => bytes.Span.Slice(128, 32);

    public ushort IsvProdId => BinaryPrimitives.ReadUInt16LittleEndian(bytes.Span[256..]);

    public ushort IsvSvn => BinaryPrimitives.ReadUInt16LittleEndian(bytes.Span[258..]);

    public ReadOnlySpan<byte> ReportData => bytes.Span.Slice(320, 64);
}
