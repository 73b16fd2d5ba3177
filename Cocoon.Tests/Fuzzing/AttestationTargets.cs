using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.EventLog;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using Cocoon.Tests.Vectors;
using NUnit.Framework;

namespace Cocoon.Tests.Fuzzing;

/// <summary>Evidence that is not the sample's own is refused; an exhaustive run shows it for every bit and every truncation.</summary>
internal static class AttestationTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("attestation/tdx-quote", 6000, Tdx),
        new("attestation/snp-report", 1300, Snp),
        new("attestation/gpu-report", 1300, Gpu),
        new("attestation/rim", 4000, Rim),
        FuzzTarget.Of<EvidenceException>("attestation/event-log", 400, bytes => CcelLog.Parse(bytes).Replay(), EventLogs.Encode((1, EventLogs.Digest(1)), (3, EventLogs.Digest(2)))),
        new("attestation/collateral", 2000, Collateral),
        .. RecordedEvidence.All.Select(recorded => new FuzzTarget("attestation/recorded-" + recorded.Name, 0, () => Recorded(recorded)) { IsExhaustiveOnly = true }),
    ];

    private static FuzzSubject Recorded(RecordedEvidence recorded)
    {
        Assert.That(recorded.IsValid(recorded.Bytes), "as it was recorded");
        return new FuzzSubject(bytes => Assert.That(!recorded.IsValid(bytes) || bytes.AsSpan().SequenceEqual(recorded.Bytes), "accepted"), recorded.Bytes) { IsThreadSafe = true };
    }

    private static FuzzSubject Tdx()
    {
        TdxPlatform platform = new();
        CollateralSet collateral = platform.Collateral();
        byte[] good = platform.Quote(TdxPlatform.Body(is15: true));
        return Refusing(good, platform, bytes => TdxVerifier.Verify(bytes, collateral, platform.Anchor, TdxPlatform.Now).Reasons.Count == 0);
    }

    private static FuzzSubject Snp()
    {
        SnpPlatform platform = new();
        CollateralSet collateral = CollateralSet.FromItems(platform.Items());
        byte[] good = platform.Sign(SnpPlatform.Body());
        return Refusing(good, platform, bytes => SnpVerifier.Verify(bytes, collateral, platform.Roots, SnpPlatform.Now).Reasons.Count == 0);
    }

    private static FuzzSubject Gpu()
    {
        GpuDevice device = new();
        byte[] nonce = new byte[GpuReport.NonceSize];
        GpuChain chain = GpuChain.Verify(device.Chain, device.Roots.Device, TdxPlatform.Now);
        return Refusing(device.Report(nonce), device, bytes => GpuVerifier.Verify(bytes, chain, [], nonce, device.Roots.Rim, TdxPlatform.Now).Reasons.Count == 0);
    }

    private static FuzzSubject Rim()
    {
        GpuDevice device = new();
        return new FuzzSubject(FuzzTarget.Catching<EvidenceException>(bytes => RimManifest.Parse(bytes).Verify(device.Roots.Rim, TdxPlatform.Now)), device.Rim(GpuDevice.DriverVersion, 0, 1))
        {
            Owned = device,
        };
    }

    private static FuzzSubject Collateral()
    {
        TdxPlatform platform = new();
        byte[][] samples = [.. platform.Items().Select(i => i.Data.ToArray())];
        return new FuzzSubject(FuzzTarget.Catching<EvidenceException>(bytes => CollateralReader.TryRead(bytes, new CollateralSet())), samples) { Owned = platform };
    }

    // What follows the used bytes is ignored, so evidence that begins with the good one is the good one.
    private static FuzzSubject Refusing(byte[] good, IDisposable owned, Func<byte[], bool> isAccepted) => new(
        bytes => Assert.That(!isAccepted(bytes) || bytes.AsSpan().StartsWith(good), "accepted"), good) { Owned = owned, IsThreadSafe = true };
}
