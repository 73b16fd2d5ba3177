using System.Collections.Immutable;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>Why a path is no good.</summary>
internal enum PathFault
{
    None = 0,

    /// <summary>A signature, name or constraint does not hold, or the end is not the pinned root.</summary>
    Broken = 1,

    /// <summary>All of that holds, but a certificate is not valid at this time.</summary>
    OutsideValidity = 2,
}

/// <summary>A path from a leaf to a pinned root.</summary>
/// <param name="Certificates">Leaf first; with the root's certificate when it was supplied.</param>
internal sealed record CertificatePath(PathFault Fault, ImmutableArray<Certificate> Certificates)
{
    /// <summary>Longest path accepted; NVIDIA's device chains have five.</summary>
    public const int MaxLength = 8;

    private static readonly CertificatePath Broken = new(PathFault.Broken, []);

    /// <summary>End of the earliest certificate.</summary>
    public DateTimeOffset ValidUntil => Certificates.Min(c => c.NotAfter);

    /// <summary>Follows the issuers in <paramref name="pool"/> up to the pinned key (RFC 5280 §6.1, without policies and name constraints).</summary>
    public static CertificatePath Find(Certificate leaf, IReadOnlyList<Certificate> pool, TrustAnchor anchor, DateTimeOffset now)
    {
        using VerificationKey root = VerificationKey.FromPublicKeyInfo(anchor.PublicKeyInfo.AsSpan());
        return Find(leaf, pool, anchor, root, now);
    }

    /// <param name="root">The anchor's key, opened; the caller's.</param>
    public static CertificatePath Find(
        Certificate leaf, IReadOnlyList<Certificate> pool, TrustAnchor anchor, VerificationKey root, DateTimeOffset now)
    {
        List<Certificate> path = [leaf];
        while (path.Count <= MaxLength)
        {
            Certificate last = path[^1];
            if (anchor.IsKeyOf(last))
            {
                // The root's own certificate came along: its contents count only when the pinned key signed them.
                return last.CommonName == anchor.CommonName && last.IsSelfIssued && last.IsSignedBy(root) ? Finish(path, now) : Broken;
            }

            if (FindIssuer(last, pool, path.Count - 1) is { } issuer)
            {
                path.Add(issuer);
            }
            else
            {
                return last.IssuerCommonName == anchor.CommonName && last.IsSignedBy(root) ? Finish(path, now) : Broken;
            }
        }

        return Broken;
    }

    private static Certificate? FindIssuer(Certificate certificate, IReadOnlyList<Certificate> pool, int below)
    {
        foreach (Certificate candidate in pool)
        {
            if (candidate.IsAuthority
                && candidate.MaySignCertificates
                && !(candidate.PathLength < below)
                && !candidate.Raw.Span.SequenceEqual(certificate.Raw.Span)
                && candidate.Subject.Span.SequenceEqual(certificate.Issuer.Span))
            {
                using VerificationKey key = candidate.OpenKey();
                if (certificate.IsSignedBy(key))
                {
                    return candidate;
                }
            }
        }

        return null;
    }

    private static CertificatePath Finish(List<Certificate> path, DateTimeOffset now) =>
        new(path.TrueForAll(c => c.IsValidAt(now)) ? PathFault.None : PathFault.OutsideValidity, [.. path]);
}
