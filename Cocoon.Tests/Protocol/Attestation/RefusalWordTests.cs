using System.Security.Cryptography.X509Certificates;
using System.Text;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>Refusals that no other test asks for by their word, each with the one fault that it is for.</summary>
public sealed class RefusalWordTests
{
    private const int QuoteHeader = 48, Signature = 64, Key = 64;
    private const int QeReportSignatureAt = QuoteHeader + TdxReportBody.Size10 + sizeof(int) + Signature + Key + sizeof(ushort) + sizeof(int) + SgxReportBody.Size;
    private const int QeAuthenticationDataAt = QeReportSignatureAt + Signature + sizeof(ushort);

    private static readonly AppraisalPolicy Simulated = AppraisalPolicy.Default with { Id = "test", AllowSimulated = true };

    [TestCase(QeReportSignatureAt + 7, TdxReasons.QeReportSignature)]
    [TestCase(QeAuthenticationDataAt, TdxReasons.QeReportData)]
    public void TdxQuote_OneByteChanged_NamesTheLinkThatBroke(int offset, string reason)
    {
        using TdxPlatform platform = new();
        byte[] quote = platform.Quote(TdxPlatform.Body());
        quote[offset] ^= 1;
        Assert.That(TdxVerifier.Verify(quote, platform.Collateral(), platform.Anchor, TdxPlatform.Now).Reasons, Is.EqualTo(new[] { reason }));
    }

    [Test]
    public void TdxQuote_PckWithoutIntelsExtension_IsNamed()
    {
        using TdxPlatform platform = new();
        using TestAuthority bare = platform.PckCa.Issue("Intel SGX PCK Certificate");
        byte[] quote = platform.Quote(TdxPlatform.Body(), bare.Pem() + platform.PckCa.Pem() + platform.Root.Pem());
        Assert.That(
            TdxVerifier.Verify(quote, platform.Collateral(), platform.Anchor, TdxPlatform.Now).Reasons,
            Is.EquivalentTo(new[] { TdxReasons.QeReportSignature, TdxReasons.PckExtension }));
    }

    [Test]
    public void TdxCollateral_ChangedAfterSigning_IsItsSignature()
    {
        using TdxPlatform platform = new();
        CollateralSet changed = CollateralSet.FromItems(platform.Items().Select(i => i.Name == "tcb-info"
            ? new CollateralItem(i.Name, [.. Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(i.Data.AsSpan()).Replace("2025-11-01", "2025-11-02", StringComparison.Ordinal))])
            : i));
        Assert.That(
            TdxVerifier.Verify(platform.Quote(TdxPlatform.Body()), changed, platform.Anchor, TdxPlatform.Now).Reasons,
            Is.EqualTo(new[] { TdxReasons.CollateralSignature }));
    }

    [TestCase(nameof(TcbStatus.SWHardeningNeeded), TdxReasons.TcbHardening)]
    [TestCase(nameof(TcbStatus.ConfigurationNeeded), TdxReasons.TcbConfiguration)]
    [TestCase(nameof(TcbStatus.ConfigurationAndSWHardeningNeeded), TdxReasons.TcbConfiguration)]
    [TestCase(nameof(TcbStatus.OutOfDate), TdxReasons.TcbOutOfDate)]
    [TestCase(nameof(TcbStatus.TDRelaunchAdvised), TdxReasons.TcbRelaunch)]
    [TestCase(nameof(TcbStatus.Revoked), TdxReasons.TcbRevoked)]
    [TestCase(nameof(TcbStatus.TcbNotSupported), TdxReasons.TcbNotSupported)]
    public void TdxPolicy_EachStatusButUpToDate_HasItsWord(string status, string reason)
    {
        using TdxPlatform platform = new();
        TdxFacts facts = platform.Verify(TdxPlatform.Body()).Facts!;
        List<string> reasons = [];
        TdxPolicy.Strict.Check(facts with { Tcb = facts.Tcb! with { Status = Enum.Parse<TcbStatus>(status) } }, TdxPlatform.Now, reasons);
        Assert.That(reasons, Is.EqualTo(new[] { reason }));
    }

    [Test]
    public void SnpReport_FaultsOfListEndorsementAndKey_AreNamed()
    {
        using SnpPlatform platform = new();
        using SnpPlatform other = new();
        using TestAuthority bare = platform.Ask.Issue("SEV-VCEK", isP384: true, extensions: new X509Extension("1.3.6.1.4.1.3704.1.3.1", (byte[])[2, 1, 10], false));
        byte[] report = platform.Sign(SnpPlatform.Body());
        byte[] underVlek = SnpPlatform.Body();
        underVlek[0x48] = 1 << 2;
        underVlek.AsSpan(0x1A0, 64).Clear();
        List<string> leased = [];
        SnpPolicy.Strict.Check(platform.Verify(platform.Sign(underVlek, platform.Vlek)).Facts!, leased);
        CollateralSet withoutLevels = CollateralSet.FromItems(platform.Items().Select(i => i.Name == "vcek" ? new CollateralItem(i.Name, [.. bare.Der]) : i));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(platform.Verify(report, other.Crl()).Reasons, Is.EqualTo(new[] { SnpReasons.CrlSignature }));
            Assert.That(
                SnpVerifier.Verify(platform.Sign(SnpPlatform.Body(), bare), withoutLevels, platform.Roots, SnpPlatform.Now).Reasons,
                Is.EqualTo(new[] { SnpReasons.EndorsementMalformed }));
            Assert.That(leased, Does.Contain(SnpReasons.Vlek));
        }
    }

    [Test]
    public void GpuReport_FaultsOfSignatureChainManifestAndPolicy_AreNamed()
    {
        using GpuDevice device = new();
        byte[] nonce = new byte[GpuReport.NonceSize], changed = device.Report(nonce);
        changed[^1] ^= 1;
        GpuResult Verify(byte[] report, DateTimeOffset now, params byte[][] rims) =>
            GpuVerifier.Verify(report, device.Chain, rims.Select(r => (ReadOnlyMemory<byte>)r), nonce, device.Roots, now);
        GpuResult good = Verify(device.Report(nonce), TdxPlatform.Now);
        List<string> reasons = [];
        (GpuPolicy.Strict with
        {
            Architectures = [],
            RequireRim = false,
            RequireRevocation = false,
            DeniedDevices = [Convert.ToHexStringLower(device.Chain[0].SerialNumber.Span)],
        }).Check([good.Facts!], reasons);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Verify(changed, TdxPlatform.Now).Reasons, Is.EqualTo(new[] { GpuReasons.ReportSignature }));
            Assert.That(Verify(device.Report(nonce), TdxPlatform.Now, "<SoftwareIdentity>"u8.ToArray()).Reasons, Is.EqualTo(new[] { GpuReasons.RimMalformed }));
            Assert.That(
                Verify(device.Report(nonce), TestAuthority.NotAfter.AddSeconds(1), device.Rim(GpuDevice.DriverVersion, 0, 1)).Reasons,
                Does.Contain(GpuReasons.RimExpired));
            Assert.That(reasons, Is.EqualTo(new[] { GpuReasons.Architecture, GpuReasons.DeviceDenied }));
        }
    }

    [Test]
    public void Bundle_FaultsOfItsForm_AreNamed()
    {
        PeerId peer = EvidenceSamples.Peer(out Ed25519PrivateKey peerKey);
        using (peerKey)
        using (Ed25519PrivateKey identity = Ed25519PrivateKey.Generate())
        {
            EvidenceBundle good = EvidenceSamples.Bundle(EvidenceSamples.Binding(peer, identity), TdxPlatform.Now);
            byte[] signature = [.. good.Evidence];
            signature[^1] ^= 1;
            using (Assert.EnterMultipleScope())
            {
                Assert.That(Reasons(good.Encode()), Is.Empty);
                Assert.That(Reasons([1, 2, 3]), Is.EqualTo(new[] { ReasonWords.BundleMalformed }));
                Assert.That(Reasons((good with { Binding = [1] }).Encode()), Is.EqualTo(new[] { ReasonWords.BindingMalformed }));
                Assert.That(Reasons((good with { Evidence = [1] }).Encode()), Is.EqualTo(new[] { ReasonWords.EvidenceMalformed }));
                Assert.That(Reasons((good with { Evidence = [.. signature] }).Encode()), Is.EqualTo(new[] { ReasonWords.EvidenceSignature }));
            }
        }

        IEnumerable<string> Reasons(byte[] bundle) =>
            EvidenceAppraiser.Standard.Appraise(bundle, new AppraisalSubject(peer.Memory, EvidenceSamples.Model), Simulated, TdxPlatform.Now).Reasons;
    }
}
