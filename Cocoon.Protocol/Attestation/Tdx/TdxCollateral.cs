using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>The collateral that speaks about one quote: of what was supplied, the newest that Intel signed for its platform.</summary>
internal sealed class TdxCollateral
{
    private const string TcbSigningName = "SGX TCB Signing";

    private readonly List<string> _reasons = [];
    private readonly CollateralSet _supplied;
    private readonly TrustAnchor _root;
    private readonly VerificationKey _rootKey;
    private readonly DateTimeOffset _now;

    private TdxCollateral(CollateralSet supplied, TrustAnchor root, VerificationKey rootKey, DateTimeOffset now)
    {
        _supplied = supplied;
        _root = root;
        _rootKey = rootKey;
        _now = now;
    }

    public IReadOnlyList<string> Reasons => _reasons;

    public TcbInfo? TcbInfo { get; private set; }

    public QeIdentity? QeIdentity { get; private set; }

    public DateTimeOffset ValidUntil { get; private set; } = DateTimeOffset.MaxValue;

    public static TdxCollateral Choose(
        TdxQuote quote, PckExtension pck, CollateralSet supplied, TrustAnchor root, VerificationKey rootKey, DateTimeOffset now)
    {
        TdxCollateral chosen = new(supplied, root, rootKey, now);
        Certificate authority = quote.PckChain[1];
        RevocationList? rootList = chosen.FindList(authority.Issuer, rootKey);
        using VerificationKey authorityKey = authority.OpenKey();
        RevocationList? pckList = chosen.FindList(authority.Subject, authorityKey);
        if (rootList?.Revokes(authority) == true || pckList?.Revokes(quote.PckChain[0]) == true)
        {
            chosen.Add(TdxReasons.CertificateRevoked);
        }

        List<Certificate> signers = chosen.FindSigners(rootList);
        chosen.TcbInfo = chosen.FindSigned(
            supplied.TcbInfos,
            signers,
            Tdx.TcbInfo.Parse,
            i => i.Fmspc == pck.Fmspc && i.PceId == pck.PceId,
            i => (i.IssueDate, i.NextUpdate, i.EvaluationDataNumber));
        chosen.QeIdentity = chosen.FindSigned(
            supplied.QeIdentities, signers, Tdx.QeIdentity.Parse, _ => true, i => (i.IssueDate, i.NextUpdate, i.EvaluationDataNumber));
        return chosen;
    }

    /// <summary>The newest list of an issuer that is signed and current; the newest at all when none is current.</summary>
    private RevocationList? FindList(ReadOnlyMemory<byte> issuer, VerificationKey key)
    {
        List<RevocationList> named = [.. _supplied.RevocationLists.Where(l => l.Issuer.Span.SequenceEqual(issuer.Span))];
        List<RevocationList> signed = [.. named.Where(l => l.IsSignedBy(key)).OrderByDescending(l => l.ThisUpdate)];
        if (signed.Count == 0)
        {
            Add(named.Count == 0 ? TdxReasons.CrlMissing : TdxReasons.CrlSignature);
            return null;
        }

        RevocationList? current = signed.Find(l => l.IsCurrentAt(_now));
        if (current is null)
        {
            Add(TdxReasons.CrlExpired);
            return signed[0];
        }

        Limit(current.NextUpdate);
        return current;
    }

    private List<Certificate> FindSigners(RevocationList? rootList)
    {
        List<Certificate> signers = [];
        string? fault = null;
        foreach (Certificate certificate in _supplied.Certificates)
        {
            if (certificate.CommonName?.Contains(TcbSigningName, StringComparison.Ordinal) != true)
            {
                continue;
            }

            CertificatePath path = CertificatePath.Find(certificate, _supplied.Certificates, _root, _rootKey, _now);
            if (path.Fault == PathFault.Broken || path.Certificates[1..].Any(c => c.CommonName != _root.CommonName))
            {
                fault ??= TdxReasons.CollateralSignature;
            }
            else if (rootList?.Revokes(certificate) == true)
            {
                fault = TdxReasons.CertificateRevoked;
            }
            else if (path.Fault == PathFault.OutsideValidity)
            {
                fault ??= TdxReasons.CertificateExpired;
            }
            else
            {
                signers.Add(certificate);
            }
        }

        if (signers.Count == 0)
        {
            Add(fault ?? TdxReasons.CollateralMissing);
        }

        return signers;
    }

    private T? FindSigned<T>(
        IEnumerable<SignedJson> supplied,
        List<Certificate> signers,
        Func<ReadOnlyMemory<byte>, T> parse,
        Func<T, bool> isAboutQuote,
        Func<T, (DateTimeOffset IssueDate, DateTimeOffset NextUpdate, uint Number)> dates)
        where T : class
    {
        if (signers.Count == 0 && supplied.Any())
        {
            // Why no certificate may sign it has been said.
            return null;
        }

        string fault = TdxReasons.CollateralMissing;
        List<(T Document, Certificate Signer)> found = [];
        foreach (SignedJson json in supplied)
        {
            if (signers.Find(s => IsSigned(json, s)) is not { } signer)
            {
                fault = TdxReasons.CollateralSignature;
                continue;
            }

            try
            {
                T document = parse(json.Body);
                if (isAboutQuote(document))
                {
                    found.Add((document, signer));
                    continue;
                }
            }
            catch (EvidenceException)
            {
                // Signed by Intel, but of another kind or version: for SGX, for example.
            }

            fault = TdxReasons.CollateralMismatch;
        }

        if (found.Count == 0)
        {
            Add(fault);
            return null;
        }

        bool IsCurrent(T document) => dates(document).IssueDate <= _now && _now <= dates(document).NextUpdate;
        (T chosen, Certificate by) = found
            .OrderByDescending(f => IsCurrent(f.Document))
            .ThenByDescending(f => dates(f.Document).Number)
            .ThenByDescending(f => dates(f.Document).IssueDate)
            .First();
        if (!IsCurrent(chosen))
        {
            Add(TdxReasons.CollateralExpired);
        }

        Limit(dates(chosen).NextUpdate);
        Limit(by.NotAfter);
        return chosen;
    }

    private static bool IsSigned(SignedJson json, Certificate signer)
    {
        using VerificationKey key = signer.OpenKey();
        return json.IsSignedBy(key);
    }

    private void Add(string reason)
    {
        if (!_reasons.Contains(reason))
        {
            _reasons.Add(reason);
        }
    }

    private void Limit(DateTimeOffset end) => ValidUntil = end < ValidUntil ? end : ValidUntil;
}
