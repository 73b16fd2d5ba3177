using System.Collections.Immutable;

namespace Cocoon.Protocol.Attestation.SevSnp;

/// <summary>What a policy accepts of an SEV-SNP platform and guest, besides the image's measurements.</summary>
/// <remarks>
/// AMD publishes no list of good TCBs as Intel does: the minimums are the policy's, and must be raised when AMD's bulletins say so.
/// </remarks>
internal sealed record SnpPolicy
{
    /// <summary>Minimums as machines of large clouds reported them in the summer of 2025; no reading of AMD's bulletins. Raise them.</summary>
    /// <remarks>
    /// Milan is not listed and so not accepted: its keys are reported to be extractable by software alone (arXiv 2605.12990).
    /// Bergamo and Siena are not listed because nothing is known here about their microcode numbers.
    /// </remarks>
    public static SnpPolicy Strict { get; } = new()
    {
        MinimumTcb = ImmutableSortedDictionary<string, SnpTcb>.Empty
            .Add("Genoa", new SnpTcb(null, 10, 0, 25, 84))
            .Add("Turin", new SnpTcb(0, 1, 0, 2, 71)),
    };

    /// <summary>By <see cref="ProductWord"/>; a product that is not listed is refused.</summary>
    public ImmutableSortedDictionary<string, SnpTcb> MinimumTcb { get; init; } = ImmutableSortedDictionary<string, SnpTcb>.Empty;

    /// <summary>Accepts keys that a cloud provider holds.</summary>
    public bool AllowVlek { get; init; }

    public int MaximumVmpl { get; init; }

    public bool AllowSmt { get; init; } = true;

    public bool RequireAliasCheck { get; init; } = true;

    public bool RequireCiphertextHiding { get; init; }

    public bool RequireRevocationList { get; init; } = true;

    /// <summary>Chip ids, hexadecimal, 64 bytes each.</summary>
    public ImmutableHashSet<string> DeniedChips { get; init; } = [];

    /// <summary>The products as policies name them.</summary>
    public static ImmutableArray<string> Products { get; } = ["Milan", "Genoa", "Bergamo", "Turin"];

    /// <summary>The product as policies name it: Bergamo and Siena share Genoa's chain but not its microcode.</summary>
    public static string ProductWord(SnpFacts facts) =>
        facts.Product == SnpProduct.Genoa && facts.Report is { HasCpuid: true, CpuModel: >= 0xA0 } ? "Bergamo" : facts.Product.ToString();

    public void Check(SnpFacts facts, ICollection<string> reasons)
    {
        SnpReport report = facts.Report;
        Refuse((report.Policy & SnpPolicyBits.Debug) != 0, SnpReasons.Debug);
        Refuse((report.Policy & SnpPolicyBits.MigrationAgent) != 0, SnpReasons.MigrationAgent);
        Refuse((report.Policy & SnpPolicyBits.MustBeOne) == 0, SnpReasons.PolicyReserved);
        Refuse((report.Policy & SnpPolicyBits.SmtAllowed) != 0 && !AllowSmt, SnpReasons.Smt);
        Refuse(!report.AreReservedBytesZero, SnpReasons.Reserved);
        Refuse(report.Vmpl != SnpReport.VmplOfHost && report.Vmpl > MaximumVmpl, SnpReasons.Vmpl);
        Refuse(report.SigningKey == SnpSigningKey.Vlek && !AllowVlek, SnpReasons.Vlek);
        Refuse(RequireRevocationList && !facts.IsRevocationChecked, SnpReasons.CrlMissing);
        Refuse(RequireAliasCheck && (report.PlatformInfo & SnpPlatformBits.AliasCheckComplete) == 0, SnpReasons.AliasCheck);
        Refuse(RequireCiphertextHiding && (report.PlatformInfo & SnpPlatformBits.CiphertextHiding) == 0, SnpReasons.CiphertextHiding);
        Refuse(DeniedChips.Contains(Convert.ToHexStringLower(report.ChipId)), SnpReasons.ChipDenied);
        if (!MinimumTcb.TryGetValue(ProductWord(facts), out SnpTcb minimum))
        {
            reasons.Add(SnpReasons.ProductDenied);
            return;
        }

        Refuse(!facts.ReportedTcb.Reaches(minimum), SnpReasons.ReportedTcb);
        Refuse(!facts.CommittedTcb.Reaches(minimum), SnpReasons.CommittedTcb);
        Refuse(!facts.LaunchTcb.Reaches(minimum), SnpReasons.LaunchTcb);

        void Refuse(bool condition, string reason)
        {
            if (condition)
            {
                reasons.Add(reason);
            }
        }
    }
}
