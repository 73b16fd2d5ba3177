using System.Buffers.Binary;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

public sealed class SnpVerifierTests
{
    private SnpPlatform _platform = null!;

    [OneTimeSetUp]
    public void SetUp() => _platform = new SnpPlatform();

    [OneTimeTearDown]
    public void TearDown() => _platform.Dispose();

    [Test]
    public void Verify_GoodReport_HasNoReasons()
    {
        SnpResult result = _platform.Verify(_platform.Sign(SnpPlatform.Body()));
        Assert.That(result.Reasons, Is.Empty);
        Assert.That(result.Facts!.IsSignatureChainValid);
        Assert.That(result.Facts.IsRevocationChecked);
        Assert.That(result.Facts.ReportedTcb, Is.EqualTo(new SnpTcb(null, 10, 0, 25, 84)));
    }

    [Test]
    public void Verify_Vlek_GoesOverItsOwnAuthority()
    {
        byte[] report = SnpPlatform.Body();
        report[0x48] = 1 << 2;
        report.AsSpan(0x1A0, 64).Clear();
        Assert.That(_platform.Verify(_platform.Sign(report, _platform.Vlek)).Reasons, Is.Empty);
        Assert.That(_platform.Verify(_platform.Sign(report, _platform.Vcek)).Reasons, Does.Contain(SnpReasons.ReportSignature));
    }

    [Test]
    public void Verify_EveryTruncation_IsMalformed()
    {
        byte[] report = _platform.Sign(SnpPlatform.Body());
        for (int length = 0; length < report.Length; length++)
        {
            Assert.That(_platform.Verify(report[..length]).Reasons, Is.EqualTo(new[] { SnpReasons.Malformed }), $"length {length}");
        }
    }

    [Test]
    public void Verify_OneFlipInEveryByte_IsRefused()
    {
        CollateralSet collateral = CollateralSet.FromItems(_platform.Items());
        EvidenceFlips.OnePerByte(
            _platform.Sign(SnpPlatform.Body()), changed => SnpVerifier.Verify(changed, collateral, _platform.Roots, SnpPlatform.Now).Reasons.Count > 0);
    }

    [Test]
    public void Verify_TrailingZeros_AreIgnoredAndAnythingElseRefused()
    {
        byte[] report = _platform.Sign(SnpPlatform.Body());
        Assert.That(_platform.Verify([.. report, .. new byte[16]]).Reasons, Is.Empty);
        Assert.That(_platform.Verify([.. report, 0, 1]).Reasons, Is.EqualTo(new[] { SnpReasons.Malformed }));
    }

    [TestCase(0x180, SnpReasons.TcbMismatch)]
    [TestCase(0x1A0, SnpReasons.ChipMismatch)]
    [TestCase(0x188, SnpReasons.ProductMismatch)]
    public void Verify_SignedButOfAnotherChipOrTcb_IsRefused(int offset, string reason)
    {
        byte[] report = SnpPlatform.Body();
        report[offset]++;
        Assert.That(_platform.Verify(_platform.Sign(report)).Reasons, Is.EqualTo(new[] { reason }));
    }

    [Test]
    public void Verify_MaskedChipUnderAVcek_IsRefused()
    {
        byte[] report = SnpPlatform.Body();
        report[0x48] |= 2;
        Assert.That(_platform.Verify(_platform.Sign(report)).Reasons, Is.EqualTo(new[] { SnpReasons.ChipMasked }));
    }

    [Test]
    public void Verify_AskedForByTheHost_IsRefused()
    {
        byte[] report = SnpPlatform.Body();
        BinaryPrimitives.WriteUInt32LittleEndian(report.AsSpan(0x30), SnpReport.VmplOfHost);
        Assert.That(_platform.Verify(_platform.Sign(report)).Reasons, Is.EqualTo(new[] { SnpReasons.VmplOfHost }));
    }

    [TestCase(0x00, 1)]
    [TestCase(0x00, 6)]
    [TestCase(0x34, 2)]
    [TestCase(0x48, 7 << 2)]
    public void Verify_UnknownVersionAlgorithmOrKey_IsUnsupported(int offset, byte value)
    {
        byte[] report = SnpPlatform.Body();
        report[offset] = value;
        Assert.That(_platform.Verify(_platform.Sign(report)).Reasons, Is.EqualTo(new[] { SnpReasons.Unsupported }));
    }

    [Test]
    public void Verify_RevokedAuthority_IsRefusedByName() =>
        Assert.That(
            _platform.Verify(_platform.Sign(SnpPlatform.Body()), _platform.Crl(_platform.Ask)).Reasons, Is.EqualTo(new[] { SnpReasons.CertificateRevoked }));

    [Test]
    public void Verify_RevocationListOutsideItsWindow_IsExpired()
    {
        byte[] report = _platform.Sign(SnpPlatform.Body());
        Assert.That(_platform.Verify(report, now: SnpPlatform.Now.AddDays(30).AddSeconds(1)).Reasons, Is.EqualTo(new[] { SnpReasons.CrlExpired }));
        Assert.That(_platform.Verify(report, now: SnpPlatform.Now.AddDays(-1).AddSeconds(-1)).Reasons, Is.EqualTo(new[] { SnpReasons.CrlExpired }));
        Assert.That(_platform.Verify(report, now: TestAuthority.NotAfter.AddSeconds(1)).Reasons, Does.Contain(SnpReasons.CertificateExpired));
    }

    [Test]
    public void Verify_ForeignRoots_AreRefused()
    {
        using SnpPlatform other = new();
        byte[] report = _platform.Sign(SnpPlatform.Body());
        CollateralSet own = CollateralSet.FromItems(_platform.Items());
        Assert.That(SnpVerifier.Verify(report, own, other.Roots, SnpPlatform.Now).Reasons, Is.EqualTo(new[] { SnpReasons.Chain }));
        Assert.That(SnpVerifier.Verify(report, own, SnpRoots.Amd, SnpPlatform.Now).Reasons, Is.EqualTo(new[] { SnpReasons.Chain }));
        Assert.That(
            SnpVerifier.Verify(report, CollateralSet.Empty, _platform.Roots, SnpPlatform.Now).Reasons, Is.EqualTo(new[] { SnpReasons.EndorsementMissing }));
    }

    [Test]
    public void Verify_CollateralOfAnotherMachine_IsASignatureFault()
    {
        using SnpPlatform other = new();
        CollateralSet foreign = CollateralSet.FromItems(other.Items());
        Assert.That(
            SnpVerifier.Verify(_platform.Sign(SnpPlatform.Body()), foreign, other.Roots, SnpPlatform.Now).Reasons, Is.EqualTo(new[] { SnpReasons.ReportSignature }));
    }

    [Test]
    public void CertificateTable_AsTheKernelHandsItOut_IsRead()
    {
        Guid[] guids = [new("63da758d-e664-4564-adc5-f4b93be8accd"), new("4ab7b379-bbac-4fe4-a02f-05aef327c782"), new("c0b406a4-a803-4952-9743-3fb6014cd0ae")];
        byte[][] certificates = [_platform.Vcek.Der, _platform.Ask.Der, _platform.Ark.Der];
        int offset = (guids.Length + 1) * 24;
        MemoryStream head = new();
        BinaryWriter writer = new(head);
        for (int i = 0; i < guids.Length; i++)
        {
            writer.Write(guids[i].ToByteArray(bigEndian: true));
            writer.Write(offset);
            writer.Write(certificates[i].Length);
            offset += certificates[i].Length;
        }

        writer.Write(new byte[24]);
        byte[] table = [.. head.ToArray(), .. certificates.SelectMany(c => c)];
        CollateralSet set = CollateralSet.FromItems([new CollateralItem("auxblob", [.. table]), new CollateralItem("crl", [.. _platform.Crl()])]);
        Assert.That(SnpVerifier.Verify(_platform.Sign(SnpPlatform.Body()), set, _platform.Roots, SnpPlatform.Now).Reasons, Is.Empty);
        table[20]++;
        Assert.That(() => CollateralSet.FromItems([new CollateralItem("auxblob", [.. table])]), Throws.InstanceOf<EvidenceException>());
    }
}
