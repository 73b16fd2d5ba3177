using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Attestation;

/// <summary>A piece of collateral: certificates, CRLs, TCB info, RIMs. Signed by vendors, so it may come from anywhere.</summary>
internal sealed record CollateralItem(string Name, ImmutableArray<byte> Data);

/// <summary>Evidence of one GPU.</summary>
internal sealed record GpuEvidence(ImmutableArray<byte> Report, ImmutableArray<byte> Chain, ImmutableArray<ImmutableArray<byte>> Rims, ImmutableArray<byte> Ocsp);

/// <summary>All that a verifier needs, as the enclave hands it out.</summary>
/// <remarks>
/// Big endian: <c>u8 version = 2 ‖ binding ‖ enclave policy ‖ evidence ‖ event log ‖ RTMR3 log ‖ u16 n × { u8 name length, name, data } ‖
/// u8 n × { report, chain, u16 n × RIM, OCSP }</c>, each byte string with a u32 length. Nothing follows.
/// </remarks>
internal sealed record EvidenceBundle
{
    public const int MaxSize = 1 << 20;
    public const int MaxBinding = 64 << 10;
    public const int MaxEvidence = 16 << 10;
    public const int MaxLog = 256 << 10;
    public const int MaxCollateralItems = 64;
    public const int MaxCollateralData = 256 << 10;
    public const int MaxGpus = 16;
    public const int MaxRims = 16;

    private const byte Version = 2;
    private const int MaxName = 64;

    /// <summary>The exact bytes of <see cref="EnclaveBinding"/> that <c>report_data</c> is the hash of.</summary>
    public required ImmutableArray<byte> Binding { get; init; }

    /// <summary>The exact bytes of the <see cref="Attestation.EnclavePolicy"/> whose digest the binding holds.</summary>
    public ImmutableArray<byte> EnclavePolicy { get; init; } = [];

    /// <summary>Quote, report or simulated statement, by the binding's kind.</summary>
    public required ImmutableArray<byte> Evidence { get; init; }

    public ImmutableArray<byte> EventLog { get; init; } = [];

    public ImmutableArray<byte> Rtmr3Log { get; init; } = [];

    public ImmutableArray<CollateralItem> Collateral { get; init; } = [];

    public ImmutableArray<GpuEvidence> Gpus { get; init; } = [];

    /// <summary>The name by which offers, caches and <c>known_evidence</c> call a bundle.</summary>
    public static byte[] Digest(ReadOnlySpan<byte> bundle) => SHA256.HashData(bundle);

    public byte[] Encode()
    {
        BindingWriter writer = new BindingWriter().U8(Version)
            .Opaque32(Binding.AsSpan()).Opaque32(EnclavePolicy.AsSpan()).Opaque32(Evidence.AsSpan()).Opaque32(EventLog.AsSpan()).Opaque32(Rtmr3Log.AsSpan())
            .U16(Collateral.Length);
        foreach (CollateralItem item in Collateral)
        {
            byte[] name = System.Text.Encoding.ASCII.GetBytes(item.Name);
            writer.U8(name.Length).Raw(name).Opaque32(item.Data.AsSpan());
        }

        writer.U8(Gpus.Length);
        foreach (GpuEvidence gpu in Gpus)
        {
            writer.Opaque32(gpu.Report.AsSpan()).Opaque32(gpu.Chain.AsSpan()).U16(gpu.Rims.Length);
            foreach (ImmutableArray<byte> rim in gpu.Rims)
            {
                writer.Opaque32(rim.AsSpan());
            }

            writer.Opaque32(gpu.Ocsp.AsSpan());
        }

        return writer.ToArray();
    }

    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out EvidenceBundle? bundle)
    {
        try
        {
            bundle = Decode(bytes);
            return true;
        }
        catch (EvidenceException)
        {
            bundle = null;
            return false;
        }
    }

    /// <exception cref="EvidenceException">Malformed, beyond a limit or of another version.</exception>
    public static EvidenceBundle Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxSize)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "bundle too large");
        }

        BindingReader reader = new(bytes);
        if (reader.U8() != Version)
        {
            throw new EvidenceException(EvidenceErrorCode.UnsupportedVersion, "bundle version");
        }

        byte[] binding = reader.Opaque32(MaxBinding);
        byte[] policy = reader.Opaque32(Attestation.EnclavePolicy.MaxSize);
        byte[] evidence = reader.Opaque32(MaxEvidence);
        byte[] eventLog = reader.Opaque32(MaxLog);
        byte[] rtmr3Log = reader.Opaque32(MaxLog);
        CollateralItem[] collateral = new CollateralItem[Count(reader.U16(), MaxCollateralItems)];
        for (int i = 0; i < collateral.Length; i++)
        {
            ReadOnlySpan<byte> name = reader.Take(Count(reader.U8(), MaxName));
            if (name.ContainsAnyExceptInRange((byte)0x21, (byte)0x7E))
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "collateral name");
            }

            collateral[i] = new CollateralItem(System.Text.Encoding.ASCII.GetString(name), [.. reader.Opaque32(MaxCollateralData)]);
        }

        GpuEvidence[] gpus = new GpuEvidence[Count(reader.U8(), MaxGpus)];
        for (int i = 0; i < gpus.Length; i++)
        {
            ImmutableArray<byte> report = [.. reader.Opaque32(MaxEvidence)];
            ImmutableArray<byte> chain = [.. reader.Opaque32(MaxLog)];
            ImmutableArray<byte>[] rims = new ImmutableArray<byte>[Count(reader.U16(), MaxRims)];
            for (int r = 0; r < rims.Length; r++)
            {
                rims[r] = [.. reader.Opaque32(MaxLog)];
            }

            gpus[i] = new GpuEvidence(report, chain, [.. rims], [.. reader.Opaque32(MaxEvidence)]);
        }

        reader.ExpectEnd();
        return new EvidenceBundle
        {
            Binding = [.. binding],
            EnclavePolicy = [.. policy],
            Evidence = [.. evidence],
            EventLog = [.. eventLog],
            Rtmr3Log = [.. rtmr3Log],
            Collateral = [.. collateral],
            Gpus = [.. gpus],
        };
    }

    private static int Count(int count, int limit) =>
        count > limit ? throw new EvidenceException(EvidenceErrorCode.TooLarge, "too many entries") : count;
}
