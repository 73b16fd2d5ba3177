using System.Security.Cryptography;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>NVIDIA's root keys, pinned; tests bring their own.</summary>
internal sealed record GpuRoots(TrustAnchor Device, TrustAnchor Rim)
{
    public static GpuRoots Nvidia { get; } = new(VendorRoots.NvidiaDeviceIdentity, VendorRoots.NvidiaRim);
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
        CertificatePath? path = certificates.Count == 0 ? null : CertificatePath.Find(certificates[0], certificates, roots.Device, now);
        bool isRootPinned = path is not null && path.Fault != PathFault.Broken;
        if (!isRootPinned)
        {
            reasons.Add(GpuReasons.Chain);
        }
        else if (path!.Fault == PathFault.OutsideValidity)
        {
            reasons.Add(GpuReasons.CertificateExpired);
        }

        if (isRootPinned && !IsSigned(report, certificates[0]))
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

        RimComparison comparison = RimComparison.Compare(report, rims, roots.Rim, now);
        reasons.AddRange(comparison.Reasons);
        GpuFacts facts = new()
        {
            Report = report,
            Chain = [.. certificates],
            IsSignatureChainValid = isChainValid,
            IsRootPinned = isRootPinned,
            IsFwidInCertificate = isFwidRight,
            Driver = comparison.Driver,
            Vbios = comparison.Vbios,
        };
        DateTimeOffset validUntil = isRootPinned ? path!.ValidUntil : now;
        return new GpuResult(reasons, facts, comparison.ValidUntil < validUntil ? comparison.ValidUntil : validUntil);
    }

    private static bool IsSigned(GpuReport report, Certificate leaf)
    {
        using VerificationKey key = leaf.OpenKey();
        return key.VerifyEcdsaRaw(report.Signed.Span, report.Signature.Span, HashAlgorithmName.SHA384);
    }
}
