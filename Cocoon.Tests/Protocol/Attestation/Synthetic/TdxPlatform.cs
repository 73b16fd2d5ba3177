using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Tests.Protocol.Attestation.Synthetic;

/// <summary>A TDX machine of the test's own, with its Intel: makes quotes and the collateral for them, each part changeable.</summary>
internal sealed class TdxPlatform : IDisposable
{
    private const string ExtensionOid = "1.2.840.113741.1.13.1";

    private readonly ECDsa _attestationKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <param name="windows">By the name of a certificate: root, pck-ca, pck or tcb-signing; <c>null</c>: ten years.</param>
    public TdxPlatform(int componentSvn = 5, int pceSvn = 11, Func<string, ValidityWindow?>? windows = null)
    {
        Root = TestAuthority.Root("Intel SGX Root CA", window: windows?.Invoke("root"));
        PckCa = Root.Issue("Intel SGX PCK Platform CA", isAuthority: true, window: windows?.Invoke("pck-ca"));
        Pck = PckCa.Issue(
            "Intel SGX PCK Certificate", window: windows?.Invoke("pck"), extensions: new X509Extension(ExtensionOid, PckExtension(componentSvn, pceSvn), false));
        TcbSigning = Root.Issue("Intel SGX TCB Signing", window: windows?.Invoke("tcb-signing"));
        TcbInfo = NewTcbInfo();
        Identity = NewIdentity();
    }

    public static DateTimeOffset IssueDate { get; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static DateTimeOffset NextUpdate { get; } = IssueDate.AddDays(30);

    public static DateTimeOffset Now { get; } = IssueDate.AddDays(10);

    public TestAuthority Root { get; }

    public TestAuthority PckCa { get; }

    public TestAuthority Pck { get; }

    public TestAuthority TcbSigning { get; }

    /// <summary>The document that will be signed; tests change it.</summary>
    public JsonObject TcbInfo { get; }

    public JsonObject Identity { get; }

    public TrustAnchor Anchor => Root.Anchor;

    /// <summary>A body as a good TD 1.0 or 1.5 has it.</summary>
    public static byte[] Body(bool is15 = false, byte moduleVersion = 1, byte moduleSvn = 5)
    {
        byte[] body = new byte[is15 ? TdxReportBody.Size15 : TdxReportBody.Size10];
        body[0] = moduleSvn;
        body[1] = moduleVersion;
        body[2] = 3;
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(120), TdxAttributes.SeptVeDisable);
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(128), 0xE7);
        body.AsSpan(136, 48).Fill(0xA1);
        body.AsSpan(328, 48).Fill(0xB0);
        body.AsSpan(376, 48).Fill(0xB1);
        body.AsSpan(424, 48).Fill(0xB2);
        if (is15)
        {
            body[584] = moduleSvn;
            body[585] = moduleVersion;
            body[586] = 3;
        }

        return body;
    }

    public static byte[] WithReportData(byte[] body, ReadOnlySpan<byte> reportData)
    {
        reportData.CopyTo(body.AsSpan(520));
        return body;
    }

    /// <param name="chain">Replaces the certificates in the quote.</param>
    public byte[] Quote(byte[] body, string? chain = null)
    {
        bool is15 = body.Length == TdxReportBody.Size15;
        MemoryStream signed = new();
        BinaryWriter head = new(signed);
        head.Write((ushort)(is15 ? 5 : 4));
        head.Write((ushort)2);
        head.Write(0x81u);
        head.Write(0u);
        head.Write(Convert.FromHexString("939A7233F79C4CA9940A0DB3957F0607"));
        head.Write(new byte[20]);
        if (is15)
        {
            head.Write((ushort)3);
            head.Write(TdxReportBody.Size15);
        }

        head.Write(body);
        byte[] key = Point(_attestationKey);
        byte[] authentication = new byte[32];
        byte[] qeReport = new byte[SgxReportBody.Size];
        qeReport[48] = 0x11;
        qeReport.AsSpan(128, 32).Fill(0xD1);
        qeReport[256] = 2;
        qeReport[258] = 6;
        SHA256.HashData([.. key, .. authentication]).CopyTo(qeReport, 320);
        byte[] pem = Encoding.ASCII.GetBytes(chain ?? Pck.Pem() + PckCa.Pem() + Root.Pem());
        MemoryStream inner = new();
        BinaryWriter certification = new(inner);
        certification.Write(qeReport);
        certification.Write(Sign(Pck.Ecdsa, qeReport));
        certification.Write((ushort)authentication.Length);
        certification.Write(authentication);
        certification.Write((ushort)5);
        certification.Write(pem.Length);
        certification.Write(pem);
        MemoryStream data = new();
        BinaryWriter signature = new(data);
        signature.Write(Sign(_attestationKey, signed.ToArray()));
        signature.Write(key);
        signature.Write((ushort)6);
        signature.Write((int)inner.Length);
        signature.Write(inner.ToArray());
        return [.. signed.ToArray(), .. BitConverter.GetBytes((int)data.Length), .. data.ToArray()];
    }

    public CollateralSet Collateral(byte[]? rootCrl = null, byte[]? pckCrl = null) => CollateralSet.FromItems(Items(rootCrl, pckCrl));

    public IEnumerable<CollateralItem> Items(byte[]? rootCrl = null, byte[]? pckCrl = null) =>
    [
        new("root-crl", [.. rootCrl ?? Root.Revoke(IssueDate, NextUpdate)]),
        new("pck-crl", [.. pckCrl ?? PckCa.Revoke(IssueDate, NextUpdate)]),
        new("tcb-info", [.. Signed(SignedJson.TcbInfoMember, TcbInfo)]),
        new("qe-identity", [.. Signed(SignedJson.IdentityMember, Identity)]),
        new("chain", [.. Encoding.ASCII.GetBytes(TcbSigning.Pem() + Root.Pem())]),
    ];

    public TdxResult Verify(byte[] body, DateTimeOffset? now = null) => TdxVerifier.Verify(Quote(body), Collateral(), Anchor, now ?? Now);

    public static JsonObject Level(int sgx, int pce, int tdx, string status, params string[] advisories) => new()
    {
        ["tcb"] = new JsonObject { ["sgxtcbcomponents"] = Components(sgx), ["pcesvn"] = pce, ["tdxtcbcomponents"] = Components(tdx) },
        ["tcbDate"] = "2025-11-01T00:00:00Z",
        ["tcbStatus"] = status,
        ["advisoryIDs"] = new JsonArray([.. advisories.Select(a => JsonValue.Create(a))]),
    };

    public static JsonObject IsvLevel(int svn, string status, params string[] advisories) => new()
    {
        ["tcb"] = new JsonObject { ["isvsvn"] = svn },
        ["tcbDate"] = "2025-11-01T00:00:00Z",
        ["tcbStatus"] = status,
        ["advisoryIDs"] = new JsonArray([.. advisories.Select(a => JsonValue.Create(a))]),
    };

    public static JsonObject Module(string id, params JsonNode[] levels) => new()
    {
        ["id"] = id,
        ["mrsigner"] = new string('0', 96),
        ["attributes"] = new string('0', 16),
        ["attributesMask"] = new string('F', 16),
        ["tcbLevels"] = new JsonArray(levels),
    };

    public void Dispose()
    {
        Root.Dispose();
        PckCa.Dispose();
        Pck.Dispose();
        TcbSigning.Dispose();
        _attestationKey.Dispose();
    }

    private static JsonObject NewTcbInfo() => new()
    {
        ["id"] = "TDX",
        ["version"] = 3,
        ["issueDate"] = "2026-01-01T00:00:00Z",
        ["nextUpdate"] = "2026-01-31T00:00:00Z",
        ["fmspc"] = "00806F050000",
        ["pceId"] = "0000",
        ["tcbType"] = 0,
        ["tcbEvaluationDataNumber"] = 20,
        ["tdxModule"] = new JsonObject { ["mrsigner"] = new string('0', 96), ["attributes"] = new string('0', 16), ["attributesMask"] = new string('F', 16) },
        ["tdxModuleIdentities"] = new JsonArray(Module("TDX_01", IsvLevel(5, "UpToDate"), IsvLevel(2, "OutOfDate", "INTEL-SA-2"))),
        ["tcbLevels"] = new JsonArray(Level(5, 11, 3, "UpToDate"), Level(4, 5, 2, "OutOfDate", "INTEL-SA-1"), Level(1, 1, 1, "Revoked")),
    };

    private static JsonObject NewIdentity() => new()
    {
        ["id"] = "TD_QE",
        ["version"] = 2,
        ["issueDate"] = "2026-01-01T00:00:00Z",
        ["nextUpdate"] = "2026-01-31T00:00:00Z",
        ["tcbEvaluationDataNumber"] = 20,
        ["miscselect"] = "00000000",
        ["miscselectMask"] = "FFFFFFFF",
        ["attributes"] = "11000000000000000000000000000000",
        ["attributesMask"] = "FBFFFFFFFFFFFFFF0000000000000000",
        ["mrsigner"] = string.Concat(Enumerable.Repeat("D1", 32)),
        ["isvprodid"] = 2,
        ["tcbLevels"] = new JsonArray(IsvLevel(6, "UpToDate"), IsvLevel(4, "OutOfDate", "INTEL-SA-3")),
    };

    private static JsonArray Components(int svn) => [.. Enumerable.Range(0, 16).Select(i => (JsonNode)new JsonObject { ["svn"] = i < 3 ? svn : 0 })];

    private byte[] Signed(string member, JsonObject document)
    {
        string body = document.ToJsonString();
        string signature = Convert.ToHexStringLower(Sign(TcbSigning.Ecdsa, Encoding.UTF8.GetBytes(body)));
        return Encoding.UTF8.GetBytes($$"""{"{{member}}":{{body}},"signature":"{{signature}}"}""");
    }

    private static byte[] Sign(ECDsa key, byte[] data) => key.SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    private static byte[] Point(ECDsa key)
    {
        ECPoint q = key.ExportParameters(false).Q;
        return [.. q.X!, .. q.Y!];
    }

    private static byte[] PckExtension(int componentSvn, int pceSvn)
    {
        AsnWriter writer = new(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            Octets(writer, ".1", new byte[16]);
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(ExtensionOid + ".2");
                using (writer.PushSequence())
                {
                    for (int i = 1; i <= 17; i++)
                    {
                        using (writer.PushSequence())
                        {
                            writer.WriteObjectIdentifier($"{ExtensionOid}.2.{i}");
                            writer.WriteInteger(i == 17 ? pceSvn : i <= 3 ? componentSvn : 0);
                        }
                    }

                    Octets(writer, ".2.18", new byte[16]);
                }
            }

            Octets(writer, ".3", new byte[2]);
            Octets(writer, ".4", [0x00, 0x80, 0x6F, 0x05, 0x00, 0x00]);
        }

        return writer.Encode();
    }

    private static void Octets(AsnWriter writer, string suffix, byte[] value)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(ExtensionOid + suffix);
            writer.WriteOctetString(value);
        }
    }
}
