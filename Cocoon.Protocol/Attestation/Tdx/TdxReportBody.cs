using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>The TD report body: what the hardware measured and the guest bound.</summary>
/// <remarks>
/// Little endian; 584 bytes for TDX 1.0, 648 for 1.5.
/// <code>
///   0 [16] TEE_TCB_SVN       16 [48] MRSEAM          64 [48] MRSIGNERSEAM    112 [8] SEAMATTRIBUTES
/// 120 [8]  TDATTRIBUTES     128 [8]  XFAM           136 [48] MRTD            184 [48] MRCONFIGID
/// 232 [48] MROWNER          280 [48] MROWNERCONFIG  328 [48] × 4 RTMR        520 [64] REPORTDATA
/// 584 [16] TEE_TCB_SVN_2    600 [48] MRSERVICETD    (1.5 only)
/// </code>
/// </remarks>
internal sealed class TdxReportBody(ReadOnlyMemory<byte> bytes)
{
    public const int Size10 = 584;
    public const int Size15 = 648;
    public const int MeasurementSize = 48;
    public const int SvnSize = 16;
    public const int Registers = 4;

    /// <summary>Whether the body is of TDX 1.5.</summary>
    public bool Is15 => bytes.Length == Size15;

    /// <summary>[0] SVN of the TDX module, [1] its generation, [2] of the loader; further components follow.</summary>
    public ReadOnlySpan<byte> TeeTcbSvn => Field(0, SvnSize);

    public ReadOnlySpan<byte> MrSeam => Field(16, MeasurementSize);

    public ReadOnlySpan<byte> MrSignerSeam => Field(64, MeasurementSize);

    public ReadOnlySpan<byte> SeamAttributes => Field(112, 8);

    public ReadOnlySpan<byte> TdAttributes => Field(120, 8);

    public ulong TdAttributeBits => BinaryPrimitives.ReadUInt64LittleEndian(TdAttributes);

    public ReadOnlySpan<byte> Xfam => Field(128, 8);

    public ulong XfamBits => BinaryPrimitives.ReadUInt64LittleEndian(Xfam);

    public ReadOnlySpan<byte> MrTd => Field(136, MeasurementSize);

    /// <summary>Chosen by the host, like the two owner fields.</summary>
    public ReadOnlySpan<byte> MrConfigId => Field(184, MeasurementSize);

    public ReadOnlySpan<byte> MrOwner => Field(232, MeasurementSize);

    public ReadOnlySpan<byte> MrOwnerConfig => Field(280, MeasurementSize);

    public ReadOnlySpan<byte> ReportData => Field(520, EnclaveBinding.ReportDataSize);

    /// <summary>SVNs of the module loaded now; empty in 1.0.</summary>
    public ReadOnlySpan<byte> TeeTcbSvn2 => Is15 ? Field(584, SvnSize) : [];

    /// <summary>Hash of bound service TDs, zero when there are none; empty in 1.0.</summary>
    public ReadOnlySpan<byte> MrServiceTd => Is15 ? Field(600, MeasurementSize) : [];

    public bool IsDebug => (TdAttributeBits & TdxAttributes.Debug) != 0;

    public ReadOnlySpan<byte> Rtmr(int register) => Field(328 + (register * MeasurementSize), MeasurementSize);

    /// <summary>The name that Telegram's Cocoon gives an image: SHA-256 over MRTD, the three host fields, the RTMRs and 64 zero bytes.</summary>
    public ImmutableArray<byte> CocoonImageHash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(bytes.Span[136..520]);
        hash.AppendData(new byte[EnclaveBinding.ReportDataSize]);
        return [.. hash.GetHashAndReset()];
    }

    private ReadOnlySpan<byte> Field(int offset, int length) => bytes.Span.Slice(offset, length);
}

/// <summary>Bits of TDATTRIBUTES (Intel TDX module base specification, table "ATTRIBUTES").</summary>
internal static class TdxAttributes
{
    public const ulong Debug = 1UL << 0;

    /// <summary>Without it a guest that handles #VE on private pages can be attacked through it.</summary>
    public const ulong SeptVeDisable = 1UL << 28;
    public const ulong Migratable = 1UL << 29;
    public const ulong ProtectionKeys = 1UL << 30;
    public const ulong KeyLocker = 1UL << 31;

    /// <summary>Performance counters inside the guest: a side channel.</summary>
    public const ulong PerfMon = 1UL << 63;

    public const ulong Known = Debug | SeptVeDisable | Migratable | ProtectionKeys | KeyLocker | PerfMon;
}
