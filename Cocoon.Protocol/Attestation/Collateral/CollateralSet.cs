using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Protocol.Attestation.Collateral;

/// <summary>What a verifier needs besides the evidence, from anywhere and unordered: everything in it is signed by a vendor.</summary>
/// <remarks>Bounded, so that path building over hostile collateral stays cheap.</remarks>
internal sealed class CollateralSet
{
    public const int MaxCertificates = 64;
    public const int MaxRevocationLists = 32;
    public const int MaxDocuments = 64;

    private readonly List<Certificate> _certificates = [];
    private readonly List<RevocationList> _revocationLists = [];
    private readonly List<SignedJson> _tcbInfos = [];
    private readonly List<SignedJson> _qeIdentities = [];
    private readonly List<ReadOnlyMemory<byte>> _rims = [];

    public static CollateralSet Empty { get; } = new();

    public IReadOnlyList<Certificate> Certificates => _certificates;

    public IReadOnlyList<RevocationList> RevocationLists => _revocationLists;

    /// <summary>Intel's TCB info with its signature.</summary>
    public IReadOnlyList<SignedJson> TcbInfos => _tcbInfos;

    /// <summary>Intel's enclave identities with their signatures.</summary>
    public IReadOnlyList<SignedJson> QeIdentities => _qeIdentities;

    /// <summary>NVIDIA's reference integrity manifests, XML.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Rims => _rims;

    /// <exception cref="EvidenceException">An item is damaged, unknown, or one too many.</exception>
    public static CollateralSet FromItems(IEnumerable<CollateralItem> items)
    {
        CollateralSet set = new();
        foreach (CollateralItem item in items)
        {
            if (!CollateralReader.TryRead(item.Data.AsMemory(), set))
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "collateral " + item.Name);
            }
        }

        return set;
    }

    public void Add(Certificate certificate)
    {
        if (!_certificates.Exists(c => c.Raw.Span.SequenceEqual(certificate.Raw.Span)))
        {
            Add(_certificates, certificate, MaxCertificates);
        }
    }

    public void Add(RevocationList list) => Add(_revocationLists, list, MaxRevocationLists);

    public void AddTcbInfo(SignedJson info) => Add(_tcbInfos, info, MaxDocuments);

    public void AddQeIdentity(SignedJson identity) => Add(_qeIdentities, identity, MaxDocuments);

    public void AddRim(ReadOnlyMemory<byte> xml) => Add(_rims, xml, MaxDocuments);

    private static void Add<T>(List<T> list, T item, int limit)
    {
        if (list.Count == limit)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "too much collateral");
        }

        list.Add(item);
    }
}
