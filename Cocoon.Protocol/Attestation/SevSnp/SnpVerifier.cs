using System.Security.Cryptography;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.SevSnp;

/// <summary>AMD's root keys by product, pinned; tests bring their own.</summary>
internal sealed record SnpRoots(TrustAnchor Milan, TrustAnchor Genoa, TrustAnchor Turin)
{
    public static SnpRoots Amd { get; } = new(VendorRoots.AmdMilan, VendorRoots.AmdGenoa, VendorRoots.AmdTurin);

    public IEnumerable<(SnpProduct Product, TrustAnchor Root)> All =>
        [(SnpProduct.Milan, Milan), (SnpProduct.Genoa, Genoa), (SnpProduct.Turin, Turin)];
}

/// <summary>What a report says. Worth something only when the result has no reasons.</summary>
internal sealed record SnpFacts
{
    public required SnpReport Report { get; init; }

    /// <summary>Of the chain, which the report's CPUID must agree with.</summary>
    public required SnpProduct Product { get; init; }

    /// <summary>The report's signature and its certificates hold at the time of checking, apart from revocation.</summary>
    public required bool IsSignatureChainValid { get; init; }

    /// <summary>A current revocation list of the product was there and lists none of the chain.</summary>
    public bool IsRevocationChecked { get; init; }

    public SnpTcb ReportedTcb => SnpTcb.Read(Report.ReportedTcb, Product);

    public SnpTcb CurrentTcb => SnpTcb.Read(Report.CurrentTcb, Product);

    public SnpTcb CommittedTcb => SnpTcb.Read(Report.CommittedTcb, Product);

    public SnpTcb LaunchTcb => SnpTcb.Read(Report.LaunchTcb, Product);
}

/// <summary>The verifier's result: reasons against the evidence, and the facts as far as they could be read.</summary>
/// <param name="Facts"><c>null</c> when the report could not be parsed.</param>
internal sealed record SnpResult(IReadOnlyList<string> Reasons, SnpFacts? Facts, DateTimeOffset ValidUntil);

/// <summary>Verifies AMD SEV-SNP reports: signature, chain to the product's pinned root, revocation, and that the certified key is the report's. Accepts nothing by itself.</summary>
internal static class SnpVerifier
{
    public static SnpResult Verify(ReadOnlyMemory<byte> reportBytes, CollateralSet collateral, SnpRoots roots, DateTimeOffset now)
    {
        SnpReport report;
        try
        {
            report = SnpReport.Parse(reportBytes);
        }
        catch (EvidenceException e)
        {
            return new SnpResult([e.Code == EvidenceErrorCode.UnsupportedVersion ? SnpReasons.Unsupported : SnpReasons.Malformed], null, now);
        }

        List<string> reasons = [];
        if (report.Vmpl == SnpReport.VmplOfHost)
        {
            reasons.Add(SnpReasons.VmplOfHost);
        }

        SnpChain chain = SnpChain.Choose(report, collateral, roots, now);
        reasons.AddRange(chain.Reasons);
        SnpProduct product = chain.Product ?? report.Product ?? SnpProduct.Genoa;
        if (chain.Endorser is not { } endorser)
        {
            return new SnpResult(reasons, new SnpFacts { Report = report, Product = product, IsSignatureChainValid = false }, now);
        }

        bool isChainValid = chain.Reasons.Count == 0;
        using (VerificationKey key = endorser.OpenKey())
        {
            if (!key.VerifyEcdsaRaw(report.Signed, report.Signature, HashAlgorithmName.SHA384))
            {
                reasons.Add(SnpReasons.ReportSignature);
                isChainValid = false;
            }
        }

        if (report.Product is { } byCpuid && byCpuid != product || report.HasCpuid && report.Product is null)
        {
            reasons.Add(SnpReasons.ProductMismatch);
        }

        CheckEndorsement(report, endorser, product, reasons);
        SnpRevocation revocation = chain.CheckRevocation(collateral, now);
        reasons.AddRange(revocation.Reasons);
        SnpFacts facts = new()
        {
            Report = report,
            Product = product,
            IsSignatureChainValid = isChainValid,
            IsRevocationChecked = revocation.IsChecked,
        };
        return new SnpResult(reasons, facts, chain.ValidUntil < revocation.ValidUntil ? chain.ValidUntil : revocation.ValidUntil);
    }

    private static void CheckEndorsement(SnpReport report, Certificate endorser, SnpProduct product, List<string> reasons)
    {
        SnpEndorsement endorsement;
        try
        {
            endorsement = SnpEndorsement.Parse(endorser);
        }
        catch (EvidenceException)
        {
            reasons.Add(SnpReasons.EndorsementMalformed);
            return;
        }

        if (!endorsement.IsForTcb(SnpTcb.Read(report.ReportedTcb, product)))
        {
            reasons.Add(SnpReasons.TcbMismatch);
        }

        if (report.SigningKey == SnpSigningKey.Vcek)
        {
            if (report.IsChipKeyMasked || !report.ChipId.ContainsAnyExcept((byte)0))
            {
                reasons.Add(SnpReasons.ChipMasked);
            }
            else if (!endorsement.IsOfChip(report.ChipId))
            {
                reasons.Add(SnpReasons.ChipMismatch);
            }
        }
    }
}
