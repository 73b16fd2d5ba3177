using System.Security.Cryptography;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>NVIDIA's root keys, pinned; tests bring their own.</summary>
internal sealed record GpuRoots(TrustAnchor Device, TrustAnchor Rim)
{
    public static GpuRoots Nvidia { get; } = new(VendorRoots.NvidiaDeviceIdentity, VendorRoots.NvidiaRim);
}

/// <summary>A device's certificates up to the pinned root. They come beside the report, so that nothing in a report can change what is found of them.</summary>
/// <param name="Certificates">As they were supplied, leaf first.</param>
internal sealed record GpuChain(IReadOnlyList<Certificate> Certificates, PathFault Fault, DateTimeOffset ValidUntil)
{
    public bool IsRootPinned => Fault != PathFault.Broken;

    public static GpuChain Verify(IReadOnlyList<Certificate> certificates, TrustAnchor root, DateTimeOffset now)
    {
        CertificatePath? path = certificates.Count == 0 ? null : CertificatePath.Find(certificates[0], certificates, root, now);
        return path is null || path.Fault == PathFault.Broken
            ? new GpuChain(certificates, PathFault.Broken, now)
            : new GpuChain(certificates, path.Fault, path.ValidUntil);
    }
}

/// <summary>Verifies NVIDIA GPU reports: device chain, firmware id, signature, nonce, and measurements against signed manifests. Accepts nothing by itself.</summary>
internal static class GpuVerifier
{
    /// <param name="certificates">The device's chain, leaf first.</param>
    /// <param name="rims">Manifests in XML; those for other versions are passed over.</param>
    /// <param name="nonce">What the report must answer; empty when it is checked for nobody, as for a file.</param>
    public static GpuResult Verify(
        ReadOnlyMemory<byte> reportBytes,
        IReadOnlyList<Certificate> certificates,
        IEnumerable<ReadOnlyMemory<byte>> rims,
        ReadOnlySpan<byte> nonce,
        GpuRoots roots,
        DateTimeOffset now) => Verify(reportBytes, GpuChain.Verify(certificates, roots.Device, now), rims, nonce, roots.Rim, now);

    /// <inheritdoc cref="Verify(ReadOnlyMemory{byte}, IReadOnlyList{Certificate}, IEnumerable{ReadOnlyMemory{byte}}, ReadOnlySpan{byte}, GpuRoots, DateTimeOffset)"/>
    public static GpuResult Verify(
        ReadOnlyMemory<byte> reportBytes,
        GpuChain chain,
        IEnumerable<ReadOnlyMemory<byte>> rims,
        ReadOnlySpan<byte> nonce,
        TrustAnchor rimRoot,
        DateTimeOffset now)
    {
        GpuReport report;
        try
        {
            report = GpuReport.Parse(reportBytes);
        }
        catch (EvidenceException)
        {
            return new GpuResult([GpuReasons.Malformed], null, now);
        }

        List<string> reasons = [];
        IReadOnlyList<Certificate> certificates = chain.Certificates;
        if (!chain.IsRootPinned)
        {
            reasons.Add(GpuReasons.Chain);
        }
        else if (chain.Fault == PathFault.OutsideValidity)
        {
            reasons.Add(GpuReasons.CertificateExpired);
        }

        if (chain.IsRootPinned && !IsSigned(report, certificates[0]))
        {
            reasons.Add(GpuReasons.ReportSignature);
        }

        bool isChainValid = reasons.Count == 0;
        bool? isFwidRight = null;
        if (report.Fwid is { } fwid)
        {
            isFwidRight = certificates.Count > 0 && DiceFwid.Find(certificates[0]) is { } certified && fwid.Span.SequenceEqual(certified);
            if (isFwidRight == false)
            {
                reasons.Add(GpuReasons.FwidMismatch);
            }
        }

        if (!nonce.IsEmpty && !CryptographicOperations.FixedTimeEquals(nonce, report.Nonce.Span))
        {
            reasons.Add(GpuReasons.NonceMismatch);
        }

        RimComparison comparison = RimComparison.Compare(report, rims, rimRoot, now);
        reasons.AddRange(comparison.Reasons);
        GpuFacts facts = new()
        {
            Report = report,
            Chain = [.. certificates],
            IsSignatureChainValid = isChainValid,
            IsRootPinned = chain.IsRootPinned,
            IsFwidInCertificate = isFwidRight,
            Driver = comparison.Driver,
            Vbios = comparison.Vbios,
        };
        return new GpuResult(reasons, facts, comparison.ValidUntil < chain.ValidUntil ? comparison.ValidUntil : chain.ValidUntil);
    }

    private static bool IsSigned(GpuReport report, Certificate leaf)
    {
        using VerificationKey key = leaf.OpenKey();
        return key.VerifyEcdsaRaw(report.Signed.Span, report.Signature.Span, HashAlgorithmName.SHA384);
    }
}
