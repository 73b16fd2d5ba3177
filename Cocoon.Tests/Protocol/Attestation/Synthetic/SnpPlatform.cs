using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.SevSnp;

namespace Cocoon.Tests.Protocol.Attestation.Synthetic;

/// <summary>An SEV-SNP machine of the test's own (Genoa), with its AMD.</summary>
internal sealed class SnpPlatform : IDisposable
{
    private const string Oid = "1.3.6.1.4.1.3704.1.";

    // The other two products' roots: never used to sign.
    private readonly TestAuthority _milan = TestAuthority.Root("ARK-Milan");
    private readonly TestAuthority _turin = TestAuthority.Root("ARK-Turin");

    /// <param name="windows">By the name of a certificate: ark, ask, asvk, vcek or vlek; <c>null</c>: ten years.</param>
    public SnpPlatform(Func<string, ValidityWindow?>? windows = null)
    {
        Ark = TestAuthority.RsaRoot("ARK-Genoa", windows?.Invoke("ark"));
        Ask = Ark.IssueRsa("SEV-Genoa", windows?.Invoke("ask"));
        Asvk = Ark.IssueRsa("SEV-VLEK-Genoa", windows?.Invoke("asvk"));
        Vcek = Ask.Issue("SEV-VCEK", isP384: true, window: windows?.Invoke("vcek"), extensions: [.. Svns(), new X509Extension(Oid + "4", ChipId, false)]);
        Vlek = Asvk.Issue("SEV-VLEK", isP384: true, window: windows?.Invoke("vlek"), extensions: [.. Svns(), new X509Extension(Oid + "5", Ia5("cloud"), false)]);
    }

    public static DateTimeOffset Now { get; } = new(2026, 1, 10, 0, 0, 0, TimeSpan.Zero);

    public static byte[] ChipId { get; } = [.. Enumerable.Repeat((byte)0xC1, 64)];

    public TestAuthority Ark { get; }

    public TestAuthority Ask { get; }

    public TestAuthority Asvk { get; }

    public TestAuthority Vcek { get; }

    public TestAuthority Vlek { get; }

    public SnpRoots Roots => new(_milan.Anchor, Ark.Anchor, _turin.Anchor);

    /// <summary>An unsigned report as a good guest on this machine gets it.</summary>
    public static byte[] Body()
    {
        byte[] report = new byte[SnpReport.Size];
        report[0] = 3;
        BinaryPrimitives.WriteUInt64LittleEndian(report.AsSpan(8), SnpPolicyBits.MustBeOne | SnpPolicyBits.SmtAllowed);
        report[0x34] = 1;
        BinaryPrimitives.WriteUInt64LittleEndian(report.AsSpan(0x40), SnpPlatformBits.AliasCheckComplete);
        report.AsSpan(0x90, 48).Fill(0xA1);
        byte[] tcb = [10, 0, 0, 0, 0, 0, 25, 84];
        foreach (int offset in (int[])[0x38, 0x180, 0x1E0, 0x1F0])
        {
            tcb.CopyTo(report, offset);
        }

        report[0x188] = 0x19;
        report[0x189] = 0x11;
        ChipId.CopyTo(report, 0x1A0);
        return report;
    }

    public static byte[] WithReportData(byte[] report, ReadOnlySpan<byte> reportData)
    {
        reportData.CopyTo(report.AsSpan(0x50));
        return report;
    }

    public byte[] Sign(byte[] report, TestAuthority? key = null)
    {
        byte[] signature = (key ?? Vcek).Ecdsa.SignData(
            report.AsSpan(0, SnpReport.SignedSize), HashAlgorithmName.SHA384, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        signature.AsSpan(0, 48).Reverse();
        signature.AsSpan(48).Reverse();
        signature.AsSpan(0, 48).CopyTo(report.AsSpan(0x2A0));
        signature.AsSpan(48).CopyTo(report.AsSpan(0x2E8));
        return report;
    }

    public byte[] Crl(params ReadOnlySpan<TestAuthority> revoked) => Ark.Revoke(Now.AddDays(-1), Now.AddDays(30), revoked);

    public IEnumerable<CollateralItem> Items(byte[]? crl = null) =>
    [
        new("vcek", [.. Vcek.Der]), new("vlek", [.. Vlek.Der]), new("ask", [.. Ask.Der]), new("asvk", [.. Asvk.Der]), new("ark", [.. Ark.Der]),
        new("crl", [.. crl ?? Crl()]),
    ];

    public SnpResult Verify(byte[] signed, byte[]? crl = null, DateTimeOffset? now = null) =>
        SnpVerifier.Verify(signed, CollateralSet.FromItems(Items(crl)), Roots, now ?? Now);

    public void Dispose()
    {
        Ark.Dispose();
        Ask.Dispose();
        Asvk.Dispose();
        Vcek.Dispose();
        Vlek.Dispose();
        _milan.Dispose();
        _turin.Dispose();
    }

    private static X509Extension[] Svns() =>
    [
        new(Oid + "2", Ia5("Genoa"), false), new(Oid + "3.1", Integer(10), false), new(Oid + "3.2", Integer(0), false),
        new(Oid + "3.3", Integer(25), false), new(Oid + "3.8", Integer(84), false),
    ];

    private static byte[] Integer(int value)
    {
        AsnWriter writer = new(AsnEncodingRules.DER);
        writer.WriteInteger(value);
        return writer.Encode();
    }

    private static byte[] Ia5(string text)
    {
        AsnWriter writer = new(AsnEncodingRules.DER);
        writer.WriteCharacterString(UniversalTagNumber.IA5String, text);
        return writer.Encode();
    }
}
