using System.Collections.Immutable;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Nvidia;

internal enum GpuArchitecture
{
    Unknown = 0,
    Hopper,
    Blackwell,
}

/// <summary>A report against the manifest for its driver or VBIOS.</summary>
internal enum RimState
{
    /// <summary>No manifest for this version was supplied.</summary>
    Missing = 0,

    /// <summary>There is a signed manifest and every measurement of it matches.</summary>
    Matched,

    /// <summary>The manifest is not to be trusted, or a measurement differs.</summary>
    Refused,
}

/// <summary>What a GPU report says. Worth something only when the result has no reasons.</summary>
internal sealed record GpuFacts
{
    public required GpuReport Report { get; init; }

    /// <summary>The device's certificate first; empty when they could not be read.</summary>
    public required ImmutableArray<Certificate> Chain { get; init; }

    public required bool IsSignatureChainValid { get; init; }

    /// <summary>The chain supplied ends in the pinned root's own certificate, or in one that the pinned key signed.</summary>
    public required bool IsRootPinned { get; init; }

    /// <summary><c>null</c> when the report names no firmware.</summary>
    public bool? IsFwidInCertificate { get; init; }

    public RimState Driver { get; init; }

    public RimState Vbios { get; init; }

    /// <summary>Driver and VBIOS measured what NVIDIA's signed manifests for exactly these versions allow.</summary>
    public bool IsMeasured => Driver == RimState.Matched && Vbios == RimState.Matched;

    /// <summary>NVIDIA's responder said of every certificate that it is good.</summary>
    public bool IsRevocationChecked { get; init; }

    public GpuArchitecture Architecture => (Chain.IsDefaultOrEmpty ? null : Chain[0].CommonName) switch
    {
        { } name when name.StartsWith("GH", StringComparison.Ordinal) => GpuArchitecture.Hopper,
        { } name when name.StartsWith("GB", StringComparison.Ordinal) => GpuArchitecture.Blackwell,
        _ => GpuArchitecture.Unknown,
    };
}

/// <summary>The verifier's result: reasons against the evidence, and the facts as far as they could be read.</summary>
/// <param name="Facts"><c>null</c> when the report could not be parsed.</param>
internal sealed record GpuResult(IReadOnlyList<string> Reasons, GpuFacts? Facts, DateTimeOffset ValidUntil);
