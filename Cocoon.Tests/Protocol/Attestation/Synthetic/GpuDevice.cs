using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Xml;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Tests.Protocol.Attestation.Synthetic;

/// <summary>A GPU of the test's own, with its NVIDIA: makes reports and reference manifests.</summary>
internal sealed class GpuDevice : IDisposable
{
    public const string DriverVersion = "570.10";
    public const string VbiosVersion = "96.00.5E.00.01";

    private readonly TestAuthority _deviceRoot;
    private readonly TestAuthority _identity;
    private readonly TestAuthority _leaf;
    private readonly TestAuthority _rimRoot;
    private readonly TestAuthority _rimLeaf;
    private readonly byte[] _fwid = [.. Enumerable.Repeat((byte)0xF1, DiceFwid.Size)];

    /// <param name="windows">By the name of a certificate: root, identity, leaf, rim-root or rim; <c>null</c>: ten years.</param>
    public GpuDevice(Func<string, ValidityWindow?>? windows = null)
    {
        _deviceRoot = TestAuthority.Root("NVIDIA Device Identity CA", isP384: true, windows?.Invoke("root"));
        _rimRoot = TestAuthority.Root("NVIDIA CoRIM signing Root CA", isP384: true, windows?.Invoke("rim-root"));
        _identity = _deviceRoot.Issue("NVIDIA GH100 Identity", isAuthority: true, isP384: true, window: windows?.Invoke("identity"));
        _leaf = _identity.Issue("GH100 A01 GSP FMC", isP384: true, window: windows?.Invoke("leaf"), extensions: new X509Extension("2.23.133.5.4.1", (byte[])[1, 2, .. _fwid], false));
        _rimLeaf = _rimRoot.Issue("NVIDIA RIM signer", isP384: true, window: windows?.Invoke("rim"));
    }

    public GpuRoots Roots => new(_deviceRoot.Anchor, _rimRoot.Anchor);

    public string ChainPem => _leaf.Pem() + _identity.Pem() + _deviceRoot.Pem();

    public IReadOnlyList<Certificate> Chain => [_leaf.Certificate, _identity.Certificate, _deviceRoot.Certificate];

    public byte[] Report(ReadOnlySpan<byte> nonce, byte[]? fwid = null, byte changedMeasurement = 0)
    {
        MemoryStream stream = new();
        BinaryWriter writer = new(stream);
        writer.Write((byte[])[0x11, 0xE0, 1, 0xFF]);
        writer.Write(nonce);
        writer.Write((byte)0);
        MemoryStream record = new();
        BinaryWriter blocks = new(record);
        for (int i = 1; i <= 8; i++)
        {
            blocks.Write((byte)i);
            blocks.Write((byte)1);
            blocks.Write((ushort)51);
            blocks.Write((byte)1);
            blocks.Write((ushort)48);
            blocks.Write(Value(i == 1 ? (byte)(i + changedMeasurement) : (byte)i));
        }

        writer.Write((byte[])[0x11, 0x60, 0, 0, 8, (byte)record.Length, (byte)(record.Length >> 8), 0]);
        writer.Write(record.ToArray());
        writer.Write(new byte[32]);
        MemoryStream opaque = new();
        BinaryWriter fields = new(opaque);
        Field(fields, 3, Encoding.ASCII.GetBytes(DriverVersion + "\0"));
        Field(fields, 6, [0x00, 0x5E, 0x00, 0x96, 0x01, 0, 0, 0]);
        Field(fields, 11, [0x55]);
        Field(fields, 20, fwid ?? _fwid);
        writer.Write((ushort)opaque.Length);
        writer.Write(opaque.ToArray());
        byte[] signed = stream.ToArray();
        return [.. signed, .. _leaf.Ecdsa.SignData(signed, HashAlgorithmName.SHA384, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)];
    }

    /// <param name="indices">Measurements that it claims, each with the value of <see cref="Report"/>.</param>
    public byte[] Rim(string version, params int[] indices)
    {
        string resources = string.Concat(indices.Select(
            i => $"<Resource type=\"Measurement\" index=\"{i}\" active=\"True\" alternatives=\"1\" h:Hash0=\"{Convert.ToHexStringLower(Value((byte)(i + 1)))}\" size=\"48\"/>"));
        const string tag = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
        string content = $"<SoftwareIdentity xmlns=\"{tag}\" xmlns:h=\"http://www.w3.org/2001/04/xmlenc#sha384\" name=\"GH100\">" +
            $"<Meta colloquialVersion=\"{version}\" product=\"GH100\"/><Payload>{resources}</Payload>";
        byte[] digest = SHA384.HashData(CanonicalXml.Write(Document(content + "</SoftwareIdentity>").DocumentElement!));
        string signedInfo =
            "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2006/12/xml-c14n11\"/>" +
            "<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384\"/><ds:Reference URI=\"\"><ds:Transforms>" +
            "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>" +
            "<ds:Transform Algorithm=\"http://www.w3.org/2006/12/xml-c14n11\"/></ds:Transforms>" +
            "<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#sha384\"/>" +
            $"<ds:DigestValue>{Convert.ToBase64String(digest)}</ds:DigestValue></ds:Reference></ds:SignedInfo>";
        string Whole(string value) => content + "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">" + signedInfo +
            $"<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{Convert.ToBase64String(_rimLeaf.Der)}</ds:X509Certificate>" +
            $"<ds:X509Certificate>{Convert.ToBase64String(_rimRoot.Der)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature></SoftwareIdentity>";
        XmlElement unsigned = (XmlElement)Document(Whole("")).GetElementsByTagName("ds:SignedInfo")[0]!;
        byte[] signature = _rimLeaf.Ecdsa.SignData(CanonicalXml.Write(unsigned), HashAlgorithmName.SHA384, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        return Encoding.UTF8.GetBytes(Whole(Convert.ToBase64String(signature)));
    }

    public GpuEvidence Evidence(byte[] report, params byte[][] rims) =>
        new([.. report], [.. Encoding.ASCII.GetBytes(ChainPem)], [.. rims.Select(r => System.Collections.Immutable.ImmutableArray.Create(r))], []);

    public void Dispose()
    {
        _deviceRoot.Dispose();
        _identity.Dispose();
        _leaf.Dispose();
        _rimRoot.Dispose();
        _rimLeaf.Dispose();
    }

    private static XmlDocument Document(string xml) => CanonicalXml.Load(Encoding.UTF8.GetBytes(xml));

    private static byte[] Value(byte fill) => [.. Enumerable.Repeat(fill, 48)];

    private static void Field(BinaryWriter writer, ushort type, byte[] value)
    {
        writer.Write(type);
        writer.Write((ushort)value.Length);
        writer.Write(value);
    }
}
