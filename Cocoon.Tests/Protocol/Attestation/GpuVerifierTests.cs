using System.Text;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

public sealed class GpuVerifierTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 10, 0, 0, 0, TimeSpan.Zero);
    private static readonly byte[] Nonce = [.. Enumerable.Range(0, GpuReport.NonceSize).Select(i => (byte)i)];

    private GpuDevice _device = null!;

    [OneTimeSetUp]
    public void SetUp() => _device = new GpuDevice();

    [OneTimeTearDown]
    public void TearDown() => _device.Dispose();

    [Test]
    public void Verify_GoodReportAndManifests_IsMeasured()
    {
        GpuResult result = Verify(_device.Report(Nonce), _device.Rim(GpuDevice.DriverVersion, 0, 1), _device.Rim(GpuDevice.VbiosVersion, 2, 3));
        Assert.That(result.Reasons, Is.Empty);
        Assert.That(result.Facts!.IsMeasured);
        Assert.That(result.Facts.IsFwidInCertificate, Is.True);
        Assert.That(result.Facts.Architecture, Is.EqualTo(GpuArchitecture.Hopper));
        Assert.That(result.Facts.Report.VbiosVersion, Is.EqualTo(GpuDevice.VbiosVersion));
    }

    [Test]
    public void Verify_EveryTruncation_IsMalformed()
    {
        byte[] report = _device.Report(Nonce);
        for (int length = 0; length < report.Length; length++)
        {
            Assert.That(Verify(report[..length]).Reasons, Is.EqualTo(new[] { GpuReasons.Malformed }), $"length {length}");
        }
    }

    [Test]
    public void Verify_OneFlipInEveryByte_IsRefused() => EvidenceFlips.OnePerByte(_device.Report(Nonce), changed => Verify(changed).Reasons.Count > 0);

    [Test]
    public void Verify_ZerosAfterTheSignature_AreIgnored()
    {
        Assert.That(Verify([.. _device.Report(Nonce), 0]).Reasons, Is.Empty);
        Assert.That(Verify([.. _device.Report(Nonce), 0, 7]).Reasons, Is.EqualTo(new[] { GpuReasons.Malformed }));
    }

    [Test]
    public void Verify_AnotherNonce_IsNamed() =>
        Assert.That(Verify(_device.Report(new byte[GpuReport.NonceSize])).Reasons, Is.EqualTo(new[] { GpuReasons.NonceMismatch }));

    [Test]
    public void Verify_FirmwareOtherThanTheCertificates_IsNamed() =>
        Assert.That(Verify(_device.Report(Nonce, fwid: new byte[DiceFwid.Size])).Reasons, Is.EqualTo(new[] { GpuReasons.FwidMismatch }));

    [Test]
    public void Verify_ForeignRoot_IsRefused() =>
        Assert.That(
            GpuVerifier.Verify(_device.Report(Nonce), _device.Chain, [], Nonce, GpuRoots.Nvidia, Now).Reasons, Is.EqualTo(new[] { GpuReasons.Chain }));

    [Test]
    public void Verify_AfterACertificatesEnd_IsExpired() =>
        Assert.That(
            GpuVerifier.Verify(_device.Report(Nonce), _device.Chain, [], Nonce, _device.Roots, TestAuthority.NotAfter.AddSeconds(1)).Reasons,
            Is.EqualTo(new[] { GpuReasons.CertificateExpired }));

    [Test]
    public void Verify_ManifestsOfOtherVersions_AreMissing()
    {
        GpuResult result = Verify(_device.Report(Nonce), _device.Rim("999.1", 0));
        Assert.That(result.Reasons, Is.Empty);
        Assert.That((result.Facts!.Driver, result.Facts.Vbios), Is.EqualTo((RimState.Missing, RimState.Missing)));
    }

    [Test]
    public void Verify_MeasurementOtherThanTheManifests_IsNamed()
    {
        byte[] report = _device.Report(Nonce, changedMeasurement: 1);
        Assert.That(Verify(report, _device.Rim(GpuDevice.DriverVersion, 0)).Reasons, Is.EqualTo(new[] { GpuReasons.RimMismatch }));
        Assert.That(Verify(report, _device.Rim(GpuDevice.DriverVersion, 1)).Reasons, Is.Empty);
        Assert.That(Verify(report, _device.Rim(GpuDevice.DriverVersion, 9)).Reasons, Is.EqualTo(new[] { GpuReasons.RimMismatch }), "no such block");
    }

    [Test]
    public void Verify_OneMeasurementInBothManifests_IsAConflict() =>
        Assert.That(
            Verify(_device.Report(Nonce), _device.Rim(GpuDevice.DriverVersion, 0, 1), _device.Rim(GpuDevice.VbiosVersion, 1, 2)).Reasons,
            Is.EqualTo(new[] { GpuReasons.RimConflict }));

    [Test]
    public void Verify_VideoDecoderOff_ItsMeasurementIsSkipped() =>
        Assert.That(Verify(_device.Report(Nonce), _device.Rim(GpuDevice.DriverVersion, 0, 35)).Reasons, Is.Empty);

    [Test]
    public void Verify_ChangedManifest_IsItsSignature()
    {
        string rim = Encoding.UTF8.GetString(_device.Rim(GpuDevice.DriverVersion, 0));
        string changed = rim.Replace("index=\"0\"", "index=\"1\"", StringComparison.Ordinal);
        Assert.That(Verify(_device.Report(Nonce), Encoding.UTF8.GetBytes(changed)).Reasons, Is.EqualTo(new[] { GpuReasons.RimSignature }));
    }

    [Test]
    public void Verify_ManifestOfAForeignRoot_IsItsChain()
    {
        using GpuDevice other = new();
        Assert.That(Verify(_device.Report(Nonce), other.Rim(GpuDevice.DriverVersion, 0)).Reasons, Is.EqualTo(new[] { GpuReasons.RimChain }));
    }

    [TestCase("<!DOCTYPE x [<!ENTITY a \"b\">]><SoftwareIdentity/>")]
    [TestCase("<SoftwareIdentity><?target data?></SoftwareIdentity>")]
    [TestCase("<SoftwareIdentity xml:base=\"http://x\"/>")]
    [TestCase("<SoftwareIdentity>")]
    [TestCase("<SoftwareIdentity/>")]
    public void RimManifest_OutsideTheProfile_IsMalformed(string xml) =>
        Assert.That(() => RimManifest.Parse(Encoding.UTF8.GetBytes(xml)), Throws.InstanceOf<EvidenceException>());

    [Test]
    public void RimManifest_DeepXml_IsMalformedAndNoStackOverflow()
    {
        string deep = string.Concat(Enumerable.Repeat("<a>", 20_000)) + string.Concat(Enumerable.Repeat("</a>", 20_000));
        Assert.That(() => RimManifest.Parse(Encoding.UTF8.GetBytes(deep)), Throws.InstanceOf<EvidenceException>());
    }

    private GpuResult Verify(byte[] report, params byte[][] rims) =>
        GpuVerifier.Verify(report, _device.Chain, rims.Select(r => (ReadOnlyMemory<byte>)r), Nonce, _device.Roots, Now);
}
