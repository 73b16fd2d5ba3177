using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Serialization;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Protocol.Attestation;

/// <summary>Reads the words and digests of a policy file; a mistake is an error that names the field.</summary>
internal static class PolicyFields
{
    public static ImmutableHashSet<string> Hex(string field, ImmutableArray<string> values, int length) => [.. values.OrEmpty().Select(v => Hex(field, v, length))];

    public static FormatException Error(string field, string expected) => new($"policy: {field} {expected}");

    public static ImmutableArray<string> Sorted(IEnumerable<string> values) => [.. values.Order(StringComparer.Ordinal)];

    public static ImmutableArray<T> OrEmpty<T>(this ImmutableArray<T> values) => values.IsDefault ? [] : values;

    private static string Hex(string field, string? value, int length) => value is not null && value.Length == 2 * length && value.All(char.IsAsciiHexDigit)
        ? value.ToLowerInvariant()
        : throw Error(field, string.Create(CultureInfo.InvariantCulture, $"holds values of {2 * length} hexadecimal digits"));
}

/// <summary><c>releases[]</c> of a policy file.</summary>
internal sealed record ReleaseDocument
{
    private const int Sha384 = 48;
    private const int HostDataSize = 32;

    public required string Name { get; init; }

    public required string Kind { get; init; }

    public DateTimeOffset? NotAfter { get; init; }

    [JsonPropertyName("mrtd")]
    public ImmutableArray<string>? MrTd { get; init; }

    [JsonPropertyName("rtmr0")]
    public ImmutableArray<string>? Rtmr0 { get; init; }

    [JsonPropertyName("rtmr1")]
    public ImmutableArray<string>? Rtmr1 { get; init; }

    [JsonPropertyName("rtmr2")]
    public ImmutableArray<string>? Rtmr2 { get; init; }

    [JsonPropertyName("rtmr3")]
    public ImmutableArray<string>? Rtmr3 { get; init; }

    public ImmutableArray<string>? MrConfigId { get; init; }

    public ImmutableArray<string>? Measurement { get; init; }

    public ImmutableArray<string>? HostData { get; init; }

    public uint? MinimumGuestSvn { get; init; }

    public static ReleaseDocument From(Release release) => release switch
    {
        TdxRelease tdx => new ReleaseDocument
        {
            Name = tdx.Name,
            Kind = EvidenceKind.IntelTdx.Word(),
            NotAfter = tdx.NotAfter,
            MrTd = PolicyFields.Sorted(tdx.MrTd),
            Rtmr0 = PolicyFields.Sorted(tdx.Rtmrs[0]),
            Rtmr1 = PolicyFields.Sorted(tdx.Rtmrs[1]),
            Rtmr2 = PolicyFields.Sorted(tdx.Rtmrs[2]),
            Rtmr3 = PolicyFields.Sorted(tdx.Rtmrs[3]),
            MrConfigId = PolicyFields.Sorted(tdx.MrConfigIds),
        },
        SnpRelease snp => new ReleaseDocument
        {
            Name = snp.Name,
            Kind = EvidenceKind.AmdSevSnp.Word(),
            NotAfter = snp.NotAfter,
            Measurement = PolicyFields.Sorted(snp.Measurements),
            HostData = PolicyFields.Sorted(snp.HostData),
            MinimumGuestSvn = snp.MinimumGuestSvn,
        },
        _ => throw new ArgumentException("release of an unknown kind", nameof(release)),
    };

    public Release ToRelease()
    {
        if (!AttestationWords.TryParseKind(Kind, out EvidenceKind kind))
        {
            throw PolicyFields.Error("releases.kind", "is tdx or sev-snp");
        }

        ImmutableHashSet<string> Values(string field, ImmutableArray<string>? values, int length) =>
            PolicyFields.Hex("releases." + field, values ?? [], length);
        switch (kind)
        {
            case EvidenceKind.IntelTdx when Measurement is null && HostData is null && MinimumGuestSvn is null:
                return new TdxRelease(
                    Name,
                    NotAfter,
                    Values("mrtd", MrTd, Sha384),
                    [Values("rtmr0", Rtmr0, Sha384), Values("rtmr1", Rtmr1, Sha384), Values("rtmr2", Rtmr2, Sha384), Values("rtmr3", Rtmr3, Sha384)],
                    Values("mr_config_id", MrConfigId, Sha384));
            case EvidenceKind.AmdSevSnp when (MrTd ?? Rtmr0 ?? Rtmr1 ?? Rtmr2 ?? Rtmr3 ?? MrConfigId) is null:
                return new SnpRelease(
                    Name, NotAfter, Values("measurement", Measurement, Sha384), Values("host_data", HostData, HostDataSize), MinimumGuestSvn ?? 0);
            default:
                throw PolicyFields.Error("releases.kind", "is tdx or sev-snp, with the measurements of that kind");
        }
    }
}

/// <summary><c>tdx</c> of a policy file.</summary>
internal sealed record TdxPolicyDocument
{
    private const int MaxGraceDays = 3650;

    public ImmutableArray<string> Statuses { get; init; } = [TcbStatus.UpToDate.ToString()];

    public uint MinimumTcbEvaluationDataNumber { get; init; }

    public double OutOfDateGraceDays { get; init; }

    public ImmutableArray<string> ServiceTds { get; init; } = [];

    public ImmutableArray<string> DeniedFmspcs { get; init; } = [];

    public ImmutableArray<string> DeniedPlatforms { get; init; } = [];

    public ImmutableArray<string> AcceptedAdvisories { get; init; } = [];

    public bool AllowPerfMon { get; init; }

    public static TdxPolicyDocument From(TdxPolicy policy) => new()
    {
        Statuses = [.. policy.Statuses.Order().Select(s => s.ToString())],
        MinimumTcbEvaluationDataNumber = policy.MinimumTcbEvaluationDataNumber,
        OutOfDateGraceDays = policy.OutOfDateGrace.TotalDays,
        ServiceTds = PolicyFields.Sorted(policy.ServiceTds),
        DeniedFmspcs = PolicyFields.Sorted(policy.DeniedFmspcs),
        DeniedPlatforms = PolicyFields.Sorted(policy.DeniedPlatforms),
        AcceptedAdvisories = PolicyFields.Sorted(policy.AcceptedAdvisories),
        AllowPerfMon = policy.AllowPerfMon,
    };

    public TdxPolicy ToPolicy() => new()
    {
        Statuses = [.. Statuses.OrEmpty().Select(ParseStatus)],
        MinimumTcbEvaluationDataNumber = MinimumTcbEvaluationDataNumber,
        OutOfDateGrace = OutOfDateGraceDays is >= 0 and <= MaxGraceDays
            ? TimeSpan.FromDays(OutOfDateGraceDays)
            : throw PolicyFields.Error("tdx.out_of_date_grace_days", "is 0 to 3650"),
        ServiceTds = PolicyFields.Hex("tdx.service_tds", ServiceTds, TdxReportBody.MeasurementSize),
        DeniedFmspcs = PolicyFields.Hex("tdx.denied_fmspcs", DeniedFmspcs, 6),
        DeniedPlatforms = PolicyFields.Hex("tdx.denied_platforms", DeniedPlatforms, 16),
        AcceptedAdvisories = [.. AcceptedAdvisories.OrEmpty().Select(a => a ?? throw PolicyFields.Error("tdx.accepted_advisories", "holds words as INTEL-SA-00828"))],
        AllowPerfMon = AllowPerfMon,
    };

    private static TcbStatus ParseStatus(string word) =>
        TcbStatuses.Negotiable.Where(s => s.ToString() == word).Select(s => (TcbStatus?)s).FirstOrDefault()
        ?? throw PolicyFields.Error("tdx.statuses", "may hold " + string.Join(", ", TcbStatuses.Negotiable));
}

/// <summary>Security versions in a policy file.</summary>
internal sealed record SnpTcbDocument
{
    public byte? Fmc { get; init; }

    public required byte Bootloader { get; init; }

    public required byte Tee { get; init; }

    public required byte Snp { get; init; }

    public required byte Microcode { get; init; }
}

/// <summary><c>snp</c> of a policy file.</summary>
internal sealed record SnpPolicyDocument
{
    public ImmutableSortedDictionary<string, SnpTcbDocument>? MinimumTcb { get; init; }

    public bool AllowVlek { get; init; }

    public int MaximumVmpl { get; init; }

    public bool AllowSmt { get; init; } = true;

    public bool RequireAliasCheck { get; init; } = true;

    public bool RequireCiphertextHiding { get; init; }

    public bool RequireRevocationList { get; init; } = true;

    public ImmutableArray<string> DeniedChips { get; init; } = [];

    public static SnpPolicyDocument From(SnpPolicy policy) => new()
    {
        MinimumTcb = policy.MinimumTcb.ToImmutableSortedDictionary(
            p => p.Key,
            p => new SnpTcbDocument { Fmc = p.Value.Fmc, Bootloader = p.Value.BootLoader, Tee = p.Value.Tee, Snp = p.Value.Snp, Microcode = p.Value.Microcode }),
        AllowVlek = policy.AllowVlek,
        MaximumVmpl = policy.MaximumVmpl,
        AllowSmt = policy.AllowSmt,
        RequireAliasCheck = policy.RequireAliasCheck,
        RequireCiphertextHiding = policy.RequireCiphertextHiding,
        RequireRevocationList = policy.RequireRevocationList,
        DeniedChips = PolicyFields.Sorted(policy.DeniedChips),
    };

    public SnpPolicy ToPolicy() => new()
    {
        MinimumTcb = MinimumTcb is null ? SnpPolicy.Strict.MinimumTcb : MinimumTcb.ToImmutableSortedDictionary(p => Product(p.Key), p => Tcb(p.Key, p.Value)),
        AllowVlek = AllowVlek,
        MaximumVmpl = MaximumVmpl is >= 0 and <= 3 ? MaximumVmpl : throw PolicyFields.Error("snp.maximum_vmpl", "is 0 to 3"),
        AllowSmt = AllowSmt,
        RequireAliasCheck = RequireAliasCheck,
        RequireCiphertextHiding = RequireCiphertextHiding,
        RequireRevocationList = RequireRevocationList,
        DeniedChips = PolicyFields.Hex("snp.denied_chips", DeniedChips, 64),
    };

    private static string Product(string word) =>
        SnpPolicy.Products.Contains(word) ? word : throw PolicyFields.Error("snp.minimum_tcb", "has keys " + string.Join(", ", SnpPolicy.Products));

    private static SnpTcb Tcb(string product, SnpTcbDocument? tcb) => tcb is not null && (tcb.Fmc is null) != (product == nameof(SnpProduct.Turin))
        ? new SnpTcb(tcb.Fmc, tcb.Bootloader, tcb.Tee, tcb.Snp, tcb.Microcode)
        : throw PolicyFields.Error("snp.minimum_tcb." + product, "has bootloader, tee, snp, microcode, and fmc for Turin only");
}

/// <summary><c>gpu</c> of a policy file.</summary>
internal sealed record GpuPolicyDocument
{
    public ImmutableArray<string> Architectures { get; init; } = ["hopper", "blackwell"];

    public string MinimumDriver { get; init; } = "550.0";

    public bool RequireRim { get; init; } = true;

    public bool RequireRevocation { get; init; } = true;

    public int? Count { get; init; }

    public ImmutableArray<string> DeniedDevices { get; init; } = [];

    public static GpuPolicyDocument From(GpuPolicy policy) => new()
    {
        Architectures = PolicyFields.Sorted(policy.Architectures.Select(a => a.ToString().ToLowerInvariant())),
        MinimumDriver = policy.MinimumDriver.ToString(),
        RequireRim = policy.RequireRim,
        RequireRevocation = policy.RequireRevocation,
        Count = policy.Count,
        DeniedDevices = PolicyFields.Sorted(policy.DeniedDevices),
    };

    public GpuPolicy ToPolicy() => new()
    {
        Architectures = [.. Architectures.OrEmpty().Select(ParseArchitecture)],
        MinimumDriver = Version.TryParse(MinimumDriver, out Version? driver) ? driver : throw PolicyFields.Error("gpu.minimum_driver", "is a version, as 550.90.07"),
        RequireRim = RequireRim,
        RequireRevocation = RequireRevocation,
        Count = Count is null or >= 0 and <= EvidenceBundle.MaxGpus ? Count : throw PolicyFields.Error("gpu.count", "is 0 to 16"),
        DeniedDevices = [.. DeniedDevices.OrEmpty().Select(d => d?.ToLowerInvariant() ?? throw PolicyFields.Error("gpu.denied_devices", "holds serial numbers"))],
    };

    private static GpuArchitecture ParseArchitecture(string word) => word switch
    {
        "hopper" => GpuArchitecture.Hopper,
        "blackwell" => GpuArchitecture.Blackwell,
        _ => throw PolicyFields.Error("gpu.architectures", "may hold hopper and blackwell"),
    };
}
