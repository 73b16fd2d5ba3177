using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.SevSnp;

/// <summary>Whether a chain's certificates are known not to be revoked.</summary>
internal sealed record SnpRevocation(bool IsChecked, IReadOnlyList<string> Reasons, DateTimeOffset ValidUntil);

/// <summary>The chain of one report: VCEK ← ASK ← ARK, or VLEK ← ASVK ← ARK, chosen from what was supplied.</summary>
internal sealed class SnpChain
{
    private readonly CertificatePath? _path;
    private readonly TrustAnchor? _root;

    private SnpChain(IReadOnlyList<string> reasons, SnpProduct? product, CertificatePath? path, TrustAnchor? root)
    {
        Reasons = reasons;
        Product = product;
        _path = path;
        _root = root;
    }

    public IReadOnlyList<string> Reasons { get; }

    public SnpProduct? Product { get; }

    public Certificate? Endorser => _path?.Certificates[0];

    public DateTimeOffset ValidUntil => _path?.ValidUntil ?? DateTimeOffset.MinValue;

    /// <summary>The path of an endorsement certificate to the root of the product that its issuer names.</summary>
    public static (SnpProduct Product, TrustAnchor Root, CertificatePath Path)? FindPath(
        Certificate endorser, SnpSigningKey kind, CollateralSet collateral, SnpRoots roots, DateTimeOffset now)
    {
        foreach ((SnpProduct product, TrustAnchor root) in roots.All)
        {
            string issuer = kind == SnpSigningKey.Vlek ? $"SEV-VLEK-{product}" : $"SEV-{product}";
            if (endorser.IssuerCommonName == issuer)
            {
                CertificatePath path = CertificatePath.Find(endorser, collateral.Certificates, root, now);
                return (product, root, path);
            }
        }

        return null;
    }

    public static SnpChain Choose(SnpReport report, CollateralSet collateral, SnpRoots roots, DateTimeOffset now)
    {
        string reason = SnpReasons.EndorsementMissing;
        SnpChain? best = null;
        foreach (Certificate endorser in collateral.Certificates.Where(SnpEndorsement.IsEndorsement))
        {
            if (FindPath(endorser, report.SigningKey, collateral, roots, now) is not var (product, root, path))
            {
                continue;
            }

            switch (path.Fault)
            {
                case PathFault.Broken:
                    reason = SnpReasons.Chain;
                    break;
                case PathFault.OutsideValidity:
                    best ??= new SnpChain([SnpReasons.CertificateExpired], product, path, root);
                    break;
                default:
                    SnpChain whole = new([], product, path, root);
                    if (Fits(report, endorser, product))
                    {
                        return whole;
                    }

                    best = best is null or { Reasons.Count: > 0 } ? whole : best;
                    break;
            }
        }

        return best ?? new SnpChain([reason], null, null, null);
    }

    /// <summary>Looks for the certificates of the chain in the root's revocation list; VCEKs are not revoked one by one.</summary>
    public SnpRevocation CheckRevocation(CollateralSet collateral, DateTimeOffset now)
    {
        Certificate authority = _path!.Certificates[1];
        List<RevocationList> named = [.. collateral.RevocationLists.Where(l => l.Issuer.Span.SequenceEqual(authority.Issuer.Span))];
        if (named.Count == 0)
        {
            return new SnpRevocation(false, [], DateTimeOffset.MaxValue);
        }

        using VerificationKey key = VerificationKey.FromPublicKeyInfo(_root!.PublicKeyInfo.AsSpan());
        List<RevocationList> signed = [.. named.Where(l => l.IsSignedBy(key)).OrderByDescending(l => l.ThisUpdate)];
        if (signed.Count == 0)
        {
            return new SnpRevocation(false, [SnpReasons.CrlSignature], now);
        }

        RevocationList? current = signed.Find(l => l.IsCurrentAt(now));
        List<string> reasons = [];
        if (current is null)
        {
            reasons.Add(SnpReasons.CrlExpired);
        }

        RevocationList list = current ?? signed[0];
        if (_path.Certificates.Any(list.Revokes))
        {
            reasons.Add(SnpReasons.CertificateRevoked);
        }

        return new SnpRevocation(current is not null && reasons.Count == 0, reasons, list.NextUpdate);
    }

    private static bool Fits(SnpReport report, Certificate endorser, SnpProduct product)
    {
        try
        {
            SnpEndorsement endorsement = SnpEndorsement.Parse(endorser);
            return endorsement.IsForTcb(SnpTcb.Read(report.ReportedTcb, product))
                && (report.SigningKey == SnpSigningKey.Vlek || endorsement.IsOfChip(report.ChipId));
        }
        catch (EvidenceException)
        {
            return false;
        }
    }
}
