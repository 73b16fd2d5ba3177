using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;

namespace Cocoon.Node.Attestation;

/// <summary>An evidence bundle, appraised here and written out for people and scripts.</summary>
internal static class BundleReport
{
    /// <param name="peerId">Whose evidence it must be.</param>
    public static JsonObject Write(byte[] bundleBytes, ReadOnlyMemory<byte> peerId, AppraisalPolicy policy, DateTimeOffset now)
    {
        AttestationResult result = EvidenceAppraiser.Standard.Appraise(bundleBytes, new AppraisalSubject(peerId, null), policy, now);
        JsonObject document = new()
        {
            ["verdict"] = result.IsAccepted ? "accepted" : "refused",
            ["reasons"] = new JsonArray([.. result.Reasons.Select(r => JsonValue.Create(r))]),
            ["policy"] = result.PolicyId,
            ["evidence_digest"] = Hex(result.EvidenceDigest.AsSpan()),
            ["evidence_bytes"] = bundleBytes.Length,
        };
        if (result.Claims is not { } claims || !EvidenceBundle.TryDecode(bundleBytes, out EvidenceBundle? bundle))
        {
            return document;
        }

        document["evidence_kind"] = claims.Kind.Word();
        document["tier"] = claims.Tier.Word();
        document["model_assurance"] = claims.ModelAssurance;
        document["issued_at"] = claims.IssuedAt?.ToString("O");
        document["valid_until"] = result.ValidUntil == DateTimeOffset.MaxValue ? null : result.ValidUntil.ToString("O");
        document["report_data"] = Hex(claims.ReportData.AsSpan());
        document["identity_key"] = Hex(claims.IdentityKey.AsSpan());
        document["engine_digest"] = Hex(claims.EngineDigest.AsSpan());
        document["policy_digest"] = Hex(claims.PolicyDigest.AsSpan());
        document["enclave_policy"] = claims.EnclavePolicy is { } rules ? JsonNode.Parse(rules.Encode()) : null;
        document["models"] = new JsonArray([.. claims.Models.Select(m => JsonValue.Create(m.ToString()))]);
        document["gpus"] = bundle.Gpus.Length;
        document["protections"] = new JsonArray([.. claims.Protections.Select(p => new JsonObject { ["name"] = p.Name, ["state"] = p.State, ["detail"] = p.Detail })]);
        document["facts"] = Facts(claims.Kind, bundle, policy, now);
        return document;
    }

    private static JsonObject? Facts(EvidenceKind kind, EvidenceBundle bundle, AppraisalPolicy policy, DateTimeOffset now)
    {
        if (kind == EvidenceKind.Simulated)
        {
            return null;
        }

        try
        {
            CollateralSet collateral = CollateralSet.FromItems(bundle.Collateral);
            return kind == EvidenceKind.IntelTdx
                ? RawAppraiser.AppraiseTdx(bundle.Evidence.AsMemory(), collateral, policy, now).Facts
                : RawAppraiser.AppraiseSnp(bundle.Evidence.AsMemory(), collateral, policy, now).Facts;
        }
        catch (EvidenceException)
        {
            return null;
        }
    }

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);
}
