using System.Collections.Immutable;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>What a policy accepts of the GPUs that evidence names. That there are any is asked for by the minimum tier.</summary>
internal sealed record GpuPolicy
{
    public static GpuPolicy Strict { get; } = new();

    public ImmutableHashSet<GpuArchitecture> Architectures { get; init; } = [GpuArchitecture.Hopper, GpuArchitecture.Blackwell];

    public Version MinimumDriver { get; init; } = new(550, 0);

    /// <summary>Measurements must match NVIDIA's signed manifests for driver and VBIOS.</summary>
    public bool RequireRim { get; init; } = true;

    /// <summary>NVIDIA must have said, freshly, that the device's certificates are good: they run to the year 9999.</summary>
    public bool RequireRevocation { get; init; } = true;

    /// <summary><c>null</c>: any number.</summary>
    public int? Count { get; init; }

    /// <summary>Serial numbers of device certificates, hexadecimal.</summary>
    public ImmutableHashSet<string> DeniedDevices { get; init; } = [];

    public void Check(IReadOnlyList<GpuFacts> gpus, ICollection<string> reasons)
    {
        Refuse(Count is { } count && gpus.Count != count, GpuReasons.Count);
        foreach (GpuFacts gpu in gpus)
        {
            Refuse(!Architectures.Contains(gpu.Architecture), GpuReasons.Architecture);
            Refuse(!Version.TryParse(gpu.Report.DriverVersion, out Version? driver) || driver < MinimumDriver, GpuReasons.Driver);
            Refuse(RequireRim && gpu.Driver == RimState.Missing, GpuReasons.DriverRimMissing);
            Refuse(RequireRim && gpu.Vbios == RimState.Missing, GpuReasons.VbiosRimMissing);
            Refuse(RequireRevocation && !gpu.IsRevocationChecked, GpuReasons.RevocationUnknown);
            Refuse(gpu.Chain.Any(c => DeniedDevices.Contains(Convert.ToHexStringLower(c.SerialNumber.Span))), GpuReasons.DeviceDenied);
        }

        void Refuse(bool condition, string reason)
        {
            if (condition && !reasons.Contains(reason))
            {
                reasons.Add(reason);
            }
        }
    }
}
