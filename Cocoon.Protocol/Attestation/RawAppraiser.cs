using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Protocol.Attestation;

/// <summary>The appraisal of a piece of hardware evidence by itself, without an enclave's binding: for files and for people.</summary>
/// <param name="Facts">Empty when the evidence could not be parsed.</param>
/// <param name="IsEvidenceValid">Signatures, chains, collateral and dates hold; the policy may refuse it nevertheless.</param>
/// <param name="Reasons">What the evidence shows first, then what the policy does not accept; empty when accepted.</param>
internal sealed record RawAppraisal(JsonObject Facts, bool IsEvidenceValid, ImmutableArray<string> Reasons)
{
    public Verdict Verdict => Reasons.IsEmpty ? Verdict.Accepted : Verdict.Refused;

    public JsonObject ToJson() => new()
    {
        ["facts"] = Facts,
        ["evidence_valid"] = IsEvidenceValid,
        ["verdict"] = Verdict == Verdict.Accepted ? "accepted" : "refused",
        ["reasons"] = new JsonArray([.. Reasons.Select(r => JsonValue.Create(r))]),
    };

    /// <summary>Nothing could be read.</summary>
    public static RawAppraisal Unreadable(string reason) => new([], false, [reason]);

    /// <summary>Facts about something that no policy decides on.</summary>
    public static RawAppraisal OfFacts(JsonObject facts, params ImmutableArray<string> reasons) => new(facts, reasons.IsEmpty, reasons);
}

/// <summary>Verifies evidence that came as files and applies the hardware's part of a policy. Roots are the vendors', pinned.</summary>
internal static class RawAppraiser
{
    public static RawAppraisal AppraiseTdx(ReadOnlyMemory<byte> quote, CollateralSet collateral, AppraisalPolicy policy, DateTimeOffset now)
    {
        TdxResult result = TdxVerifier.Verify(quote, collateral, VendorRoots.IntelSgx, now);
        List<string> reasons = [.. result.Reasons];
        if (result.Facts is { } facts)
        {
            policy.CheckTdx(facts, now, reasons);
        }

        return Finish(result.Facts is { } read ? FactsDocument.Write(read) : [], result.Reasons.Count == 0, reasons);
    }

    public static RawAppraisal AppraiseSnp(ReadOnlyMemory<byte> report, CollateralSet collateral, AppraisalPolicy policy, DateTimeOffset now)
    {
        SnpResult result = SnpVerifier.Verify(report, collateral, SnpRoots.Amd, now);
        List<string> reasons = [.. result.Reasons];
        if (result.Facts is { } facts)
        {
            policy.CheckSnp(facts, now, reasons);
        }

        return Finish(result.Facts is { } read ? FactsDocument.Write(read) : [], result.Reasons.Count == 0, reasons);
    }

    public static RawAppraisal AppraiseGpu(ReadOnlyMemory<byte> report, CollateralSet collateral, AppraisalPolicy policy, DateTimeOffset now)
    {
        GpuResult result = GpuVerifier.Verify(report, LeafFirst(collateral.Certificates), collateral.Rims, [], GpuRoots.Nvidia, now);
        List<string> reasons = [.. result.Reasons];
        if (result.Facts is { } facts)
        {
            policy.Gpu.Check([facts], reasons);
        }

        return Finish(result.Facts is { } read ? FactsDocument.Write(read) : [], result.Reasons.Count == 0, reasons);
    }

    /// <summary>The certificate that issued no other comes first; of several, the one supplied first.</summary>
    private static List<Certificate> LeafFirst(IReadOnlyList<Certificate> certificates) =>
        [.. certificates.OrderBy(c => certificates.Any(o => !ReferenceEquals(o, c) && o.Issuer.Span.SequenceEqual(c.Subject.Span)) || c.IsSelfIssued)];

    private static RawAppraisal Finish(JsonObject facts, bool isValid, List<string> reasons) => new(facts, isValid, [.. reasons.Distinct()]);
}
