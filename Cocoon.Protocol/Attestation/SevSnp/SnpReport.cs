using System.Buffers.Binary;

namespace Cocoon.Protocol.Attestation.SevSnp;

/// <summary>The processor families that speak SEV-SNP, by the chain that signs for them.</summary>
internal enum SnpProduct
{
    Milan,

    /// <summary>Also Bergamo and Siena.</summary>
    Genoa,
    Turin,
}

/// <summary>Which key signed a report.</summary>
internal enum SnpSigningKey
{
    /// <summary>Of one chip.</summary>
    Vcek = 0,

    /// <summary>Of a cloud provider's whole fleet, which it holds.</summary>
    Vlek = 1,
}

/// <summary>Security versions of a platform's firmware.</summary>
/// <param name="Fmc">Turin only.</param>
internal readonly record struct SnpTcb(byte? Fmc, byte BootLoader, byte Tee, byte Snp, byte Microcode)
{
    /// <summary>TCB_VERSION, 8 bytes: boot loader, TEE, 4 reserved, SNP, microcode; on Turin FMC, boot loader, TEE, SNP, 3 reserved, microcode.</summary>
    public static SnpTcb Read(ReadOnlySpan<byte> bytes, SnpProduct product) => product == SnpProduct.Turin
        ? new SnpTcb(bytes[0], bytes[1], bytes[2], bytes[3], bytes[7])
        : new SnpTcb(null, bytes[0], bytes[1], bytes[6], bytes[7]);

    /// <summary>Every component at least that of <paramref name="minimum"/>.</summary>
    public bool Reaches(SnpTcb minimum) =>
        (Fmc ?? 0) >= (minimum.Fmc ?? 0) && BootLoader >= minimum.BootLoader && Tee >= minimum.Tee && Snp >= minimum.Snp && Microcode >= minimum.Microcode;
}

/// <summary>An SEV-SNP attestation report, version 2 to 5. Parsing proves nothing.</summary>
/// <remarks>
/// AMD publication 56860, ATTESTATION_REPORT; little endian, 1184 bytes.
/// <code>
/// 0x000 u32 VERSION      0x004 u32 GUEST_SVN     0x008 u64 POLICY        0x010 [16] FAMILY_ID    0x020 [16] IMAGE_ID
/// 0x030 u32 VMPL         0x034 u32 SIGNATURE_ALGO                        0x038 [8] CURRENT_TCB   0x040 u64 PLATFORM_INFO
/// 0x048 u32 0 AUTHOR_KEY_EN, 1 MASK_CHIP_KEY, 2–4 SIGNING_KEY            0x050 [64] REPORT_DATA  0x090 [48] MEASUREMENT
/// 0x0C0 [32] HOST_DATA   0x0E0 [48] ID_KEY_DIGEST  0x110 [48] AUTHOR_KEY_DIGEST  0x140 [32] REPORT_ID  0x160 [32] REPORT_ID_MA
/// 0x180 [8] REPORTED_TCB 0x188 CPUID family, model, stepping (version ≥ 3)       0x1A0 [64] CHIP_ID
/// 0x1E0 [8] COMMITTED_TCB  0x1E8 builds           0x1F0 [8] LAUNCH_TCB   0x1F8 u64, 0x200 u64 mitigation vectors (version ≥ 5)
/// 0x2A0 [72] R, 0x2E8 [72] S, little endian: 48 bytes used; the signature covers 0x000 to 0x2A0
/// </code>
/// </remarks>
internal sealed class SnpReport
{
    public const int Size = 0x4A0;
    public const int SignedSize = 0x2A0;
    public const uint VmplOfHost = uint.MaxValue;

    private const uint EcdsaP384Sha384 = 1;
    private const int ComponentSize = 72;
    private const int ComponentUsed = 48;
    private readonly ReadOnlyMemory<byte> _bytes;

    private SnpReport(ReadOnlyMemory<byte> bytes) => _bytes = bytes;

    public uint Version => U32(0);

    public uint GuestSvn => U32(4);

    public ulong Policy => U64(8);

    public uint Vmpl => U32(0x30);

    public ReadOnlySpan<byte> CurrentTcb => Field(0x38, 8);

    public ulong PlatformInfo => U64(0x40);

    public bool IsChipKeyMasked => (U32(0x48) & 2) != 0;

    public SnpSigningKey SigningKey => (SnpSigningKey)(U32(0x48) >> 2 & 7);

    public ReadOnlySpan<byte> ReportData => Field(0x50, 64);

    public ReadOnlySpan<byte> Measurement => Field(0x90, 48);

    public ReadOnlySpan<byte> HostData => Field(0xC0, 32);

    public ReadOnlySpan<byte> IdKeyDigest => Field(0xE0, 48);

    public ReadOnlySpan<byte> AuthorKeyDigest => Field(0x110, 48);

    public ReadOnlySpan<byte> ReportId => Field(0x140, 32);

    /// <summary>The TCB whose key signed.</summary>
    public ReadOnlySpan<byte> ReportedTcb => Field(0x180, 8);

    public bool HasCpuid => Version >= 3;

    public byte CpuFamily => _bytes.Span[0x188];

    public byte CpuModel => _bytes.Span[0x189];

    public byte CpuStepping => _bytes.Span[0x18A];

    public ReadOnlySpan<byte> ChipId => Field(0x1A0, 64);

    public ReadOnlySpan<byte> CommittedTcb => Field(0x1E0, 8);

    public ReadOnlySpan<byte> LaunchTcb => Field(0x1F0, 8);

    public bool HasMitigationVectors => Version >= 5;

    public ulong LaunchMitigations => U64(0x1F8);

    public ulong CurrentMitigations => U64(0x200);

    public ReadOnlySpan<byte> Signed => _bytes.Span[..SignedSize];

    /// <summary>Whether the parts that this version of the format leaves empty are empty.</summary>
    public bool AreReservedBytesZero
    {
        get
        {
            int unknownFrom = HasMitigationVectors ? 0x208 : 0x1F8;
            return !Field(0x4C, 4).ContainsAnyExcept((byte)0)
                && !_bytes.Span[(HasCpuid ? 0x18B : 0x188)..0x1A0].ContainsAnyExcept((byte)0)
                && !_bytes.Span[unknownFrom..SignedSize].ContainsAnyExcept((byte)0);
        }
    }

    /// <summary>By CPUID; <c>null</c> in version 2 and for families not known here.</summary>
    public SnpProduct? Product => !HasCpuid ? null : (CpuFamily, CpuModel) switch
    {
        (0x19, <= 0x0F) => SnpProduct.Milan,
        (0x19, >= 0x10 and <= 0x1F or >= 0xA0 and <= 0xAF) => SnpProduct.Genoa,
        (0x1A, <= 0x11) => SnpProduct.Turin,
        _ => null,
    };

    /// <summary>r ‖ s, big endian.</summary>
    public byte[] Signature
    {
        get
        {
            byte[] signature = [.. Field(SignedSize, ComponentUsed), .. Field(SignedSize + ComponentSize, ComponentUsed)];
            signature.AsSpan(0, ComponentUsed).Reverse();
            signature.AsSpan(ComponentUsed).Reverse();
            return signature;
        }
    }

    /// <exception cref="EvidenceException">
    /// <see cref="EvidenceErrorCode.UnsupportedVersion"/> for another version, algorithm or signing key; malformed otherwise. Only zeros may follow.
    /// </exception>
    public static SnpReport Parse(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length > EvidenceBundle.MaxEvidence)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "report too large");
        }

        if (bytes.Length < Size || bytes.Span[Size..].ContainsAnyExcept((byte)0))
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "report length");
        }

        SnpReport report = new(bytes[..Size]);
        if (report.Version is < 2 or > 5 || report.U32(0x34) != EcdsaP384Sha384 || !Enum.IsDefined(report.SigningKey))
        {
            throw new EvidenceException(EvidenceErrorCode.UnsupportedVersion, "report version, algorithm or signing key");
        }

        // Outside the signature: anything but zero would make two spellings of one report.
        bool isPadded = report.Field(SignedSize + ComponentUsed, ComponentSize - ComponentUsed).ContainsAnyExcept((byte)0)
            || report.Field(SignedSize + ComponentSize + ComponentUsed, ComponentSize - ComponentUsed).ContainsAnyExcept((byte)0)
            || bytes.Span[(SignedSize + (2 * ComponentSize))..Size].ContainsAnyExcept((byte)0);
        return isPadded ? throw new EvidenceException(EvidenceErrorCode.Malformed, "signature padding") : report;
    }

    private uint U32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_bytes.Span[offset..]);

    private ulong U64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.Span[offset..]);

    private ReadOnlySpan<byte> Field(int offset, int length) => _bytes.Span.Slice(offset, length);
}

/// <summary>Bits of a report's POLICY.</summary>
internal static class SnpPolicyBits
{
    public const ulong SmtAllowed = 1UL << 16;
    public const ulong MustBeOne = 1UL << 17;
    public const ulong MigrationAgent = 1UL << 18;
    public const ulong Debug = 1UL << 19;
}

/// <summary>Bits of a report's PLATFORM_INFO.</summary>
internal static class SnpPlatformBits
{
    public const ulong CiphertextHiding = 1UL << 4;

    /// <summary>Memory was checked for aliases at boot: a defence against modules that lie about their size.</summary>
    public const ulong AliasCheckComplete = 1UL << 5;
}
