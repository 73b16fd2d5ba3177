using System.Collections.Immutable;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>A vendor's root, pinned by its public key: certificates that name it are only worth what this key signed.</summary>
/// <param name="CommonName">The CN of the root certificate's subject.</param>
/// <param name="PublicKeyInfo">DER SubjectPublicKeyInfo.</param>
internal sealed record TrustAnchor(string CommonName, ImmutableArray<byte> PublicKeyInfo)
{
    public static TrustAnchor FromBase64(string commonName, string publicKeyInfo) => new(commonName, [.. Convert.FromBase64String(publicKeyInfo)]);

    /// <summary>Pins a root that the caller made or chose: for tests and for closed networks, never for the vendors' evidence.</summary>
    public static TrustAnchor FromCertificate(Certificate root) =>
        new(root.CommonName ?? throw new ArgumentException("a root has a common name", nameof(root)), [.. root.PublicKeyInfo.Span]);

    public bool IsKeyOf(Certificate certificate) => certificate.PublicKeyInfo.Span.SequenceEqual(PublicKeyInfo.AsSpan());
}
