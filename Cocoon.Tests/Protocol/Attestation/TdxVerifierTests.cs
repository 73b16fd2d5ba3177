using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

public sealed class TdxVerifierTests
{
    private TdxPlatform _platform = null!;

    [SetUp]
    public void SetUp() => _platform = new TdxPlatform();

    [TearDown]
    public void TearDown() => _platform.Dispose();

    [TestCase(false)]
    [TestCase(true)]
    public void Verify_GoodQuote_IsUpToDate(bool is15)
    {
        TdxResult result = _platform.Verify(TdxPlatform.Body(is15));
        Assert.That(result.Reasons, Is.Empty);
        Assert.That(result.Facts!.IsSignatureChainValid);
        Assert.That(result.Facts.Tcb!.Status, Is.EqualTo(TcbStatus.UpToDate));
        Assert.That(result.Facts.Pck!.Fmspc, Is.EqualTo("00806f050000"));
        Assert.That(result.ValidUntil, Is.EqualTo(TdxPlatform.NextUpdate));
    }

    [Test]
    public void Verify_OneSecondOutsideTheWindow_IsRefused()
    {
        byte[] body = TdxPlatform.Body();
        Assert.That(_platform.Verify(body, TdxPlatform.IssueDate).Reasons, Is.Empty);
        Assert.That(_platform.Verify(body, TdxPlatform.NextUpdate).Reasons, Is.Empty);
        string[] expired = [TdxReasons.CrlExpired, TdxReasons.CollateralExpired];
        Assert.That(_platform.Verify(body, TdxPlatform.IssueDate.AddSeconds(-1)).Reasons, Is.EquivalentTo(expired));
        Assert.That(_platform.Verify(body, TdxPlatform.NextUpdate.AddSeconds(1)).Reasons, Is.EquivalentTo(expired));
        Assert.That(
            _platform.Verify(body, TestAuthority.NotAfter.AddSeconds(1)).Reasons, Does.Contain(TdxReasons.CertificateExpired));
    }

    [Test]
    public void Verify_EveryTruncation_IsRefused()
    {
        byte[] quote = _platform.Quote(TdxPlatform.Body());
        CollateralSet collateral = _platform.Collateral();
        for (int length = 0; length < quote.Length; length++)
        {
            TdxResult result = TdxVerifier.Verify(quote.AsMemory(0, length), collateral, _platform.Anchor, TdxPlatform.Now);
            Assert.That(result.Reasons, Is.Not.Empty, $"length {length}");
        }
    }

    [Test]
    public void Verify_OneFlipInEveryByte_IsRefused()
    {
        byte[] quote = _platform.Quote(TdxPlatform.Body(is15: true));
        CollateralSet collateral = _platform.Collateral();
        EvidenceFlips.OnePerByte(quote, changed => TdxVerifier.Verify(changed, collateral, _platform.Anchor, TdxPlatform.Now).Reasons.Count > 0);
    }

    [Test]
    public void Verify_TrailingBytes_AreCountedAndIgnored()
    {
        byte[] quote = _platform.Quote(TdxPlatform.Body());
        TdxResult result = TdxVerifier.Verify((byte[])[.. quote, .. "trailing"u8], _platform.Collateral(), _platform.Anchor, TdxPlatform.Now);
        Assert.That(result.Reasons, Is.Empty);
        Assert.That(result.Facts!.Quote.TrailingLength, Is.EqualTo(8));
        Assert.That(result.Facts.Quote.UsedLength, Is.EqualTo(quote.Length));
    }

    [Test]
    public void Verify_RootOfTheSameNameAndAnotherKey_IsForeign()
    {
        using TdxPlatform other = new();
        TdxResult result = TdxVerifier.Verify(other.Quote(TdxPlatform.Body()), other.Collateral(), _platform.Anchor, TdxPlatform.Now);
        Assert.That(result.Reasons, Is.EqualTo(new[] { TdxReasons.Chain }));
    }

    [Test]
    public void Verify_PckOfAnotherIssuer_IsForeign()
    {
        using TdxPlatform other = new();
        byte[] quote = _platform.Quote(TdxPlatform.Body(), _platform.Pck.Pem() + other.PckCa.Pem() + _platform.Root.Pem());
        Assert.That(TdxVerifier.Verify(quote, _platform.Collateral(), _platform.Anchor, TdxPlatform.Now).Reasons, Is.EqualTo(new[] { TdxReasons.Chain }));
    }

    [Test]
    public void Verify_ChainWithoutItsRoot_IsMalformed()
    {
        byte[] quote = _platform.Quote(TdxPlatform.Body(), _platform.Pck.Pem() + _platform.PckCa.Pem());
        Assert.That(TdxVerifier.Verify(quote, _platform.Collateral(), _platform.Anchor, TdxPlatform.Now).Reasons, Is.EqualTo(new[] { TdxReasons.Malformed }));
    }

    [Test]
    public void Verify_RevokedCertificates_AreRefusedByName()
    {
        byte[] quote = _platform.Quote(TdxPlatform.Body());
        byte[] pck = _platform.PckCa.Revoke(TdxPlatform.IssueDate, TdxPlatform.NextUpdate, _platform.Pck);
        byte[] authority = _platform.Root.Revoke(TdxPlatform.IssueDate, TdxPlatform.NextUpdate, _platform.PckCa);
        byte[] signer = _platform.Root.Revoke(TdxPlatform.IssueDate, TdxPlatform.NextUpdate, _platform.TcbSigning);
        foreach (CollateralSet collateral in (CollateralSet[])
            [_platform.Collateral(pckCrl: pck), _platform.Collateral(rootCrl: authority), _platform.Collateral(rootCrl: signer)])
        {
            Assert.That(
                TdxVerifier.Verify(quote, collateral, _platform.Anchor, TdxPlatform.Now).Reasons, Does.Contain(TdxReasons.CertificateRevoked));
        }
    }

    [Test]
    public void Verify_ForeignRevocationList_IsItsSignature()
    {
        using TdxPlatform other = new();
        CollateralSet collateral = _platform.Collateral(pckCrl: other.PckCa.Revoke(TdxPlatform.IssueDate, TdxPlatform.NextUpdate));
        Assert.That(
            TdxVerifier.Verify(_platform.Quote(TdxPlatform.Body()), collateral, _platform.Anchor, TdxPlatform.Now).Reasons,
            Is.EqualTo(new[] { TdxReasons.CrlSignature }));
    }

    [Test]
    public void Verify_WithoutCollateral_SaysWhatIsMissing()
    {
        TdxResult result = TdxVerifier.Verify(_platform.Quote(TdxPlatform.Body()), CollateralSet.Empty, _platform.Anchor, TdxPlatform.Now);
        Assert.That(result.Reasons, Is.EqualTo(new[] { TdxReasons.CrlMissing, TdxReasons.CollateralMissing }));
        Assert.That(result.Facts!.IsSignatureChainValid);
        Assert.That(result.Facts.Tcb, Is.Null);
    }

    [Test]
    public void Verify_SignedByAnotherQuotingEnclave_IsRefused()
    {
        // Another platform's signature section behind this one's body: the attestation key did not sign it.
        byte[] mine = _platform.Quote(TdxPlatform.Body());
        byte[] changedBody = TdxPlatform.Body();
        changedBody[520] = 1;
        byte[] other = _platform.Quote(changedBody);
        int signed = 48 + TdxReportBody.Size10;
        byte[] spliced = [.. mine[..signed], .. other[signed..]];
        Assert.That(
            TdxVerifier.Verify(spliced, _platform.Collateral(), _platform.Anchor, TdxPlatform.Now).Reasons, Is.EqualTo(new[] { TdxReasons.QuoteSignature }));
    }

    [TestCase("id", "\"SGX\"", TdxReasons.CollateralMismatch)]
    [TestCase("version", "4", TdxReasons.CollateralMismatch)]
    [TestCase("fmspc", "\"00906ed50000\"", TdxReasons.CollateralMismatch)]
    [TestCase("pceId", "\"0001\"", TdxReasons.CollateralMismatch)]
    [TestCase("tdxModuleIdentities", "[]", TdxReasons.ModuleUnknown)]
    public void Verify_TcbInfoOfSomethingElse_IsRefused(string member, string value, string reason)
    {
        _platform.TcbInfo[member] = JsonNode.Parse(value);
        Assert.That(_platform.Verify(TdxPlatform.Body()).Reasons, Is.EqualTo(new[] { reason }));
    }

    [TestCase("id", "\"QE\"", TdxReasons.CollateralMismatch)]
    [TestCase("isvprodid", "1", TdxReasons.QeIdentityMismatch)]
    [TestCase("mrsigner", "\"0000000000000000000000000000000000000000000000000000000000000000\"", TdxReasons.QeIdentityMismatch)]
    [TestCase("miscselect", "\"00000001\"", TdxReasons.QeIdentityMismatch)]
    [TestCase("attributes", "\"13000000000000000000000000000000\"", TdxReasons.QeIdentityMismatch)]
    public void Verify_IdentityOfSomethingElse_IsRefused(string member, string value, string reason)
    {
        _platform.Identity[member] = JsonNode.Parse(value);
        Assert.That(_platform.Verify(TdxPlatform.Body()).Reasons, Is.EqualTo(new[] { reason }));
    }

    [Test]
    public void Verify_UnknownStatusWord_IsRefused()
    {
        _platform.TcbInfo["tcbLevels"]![0]!["tcbStatus"] = "Splendid";
        Assert.That(_platform.Verify(TdxPlatform.Body()).Reasons, Is.EqualTo(new[] { TdxReasons.CollateralMismatch }));
    }

    [Test]
    public void Verify_ModuleOfAnotherSigner_IsRefused()
    {
        byte[] body = TdxPlatform.Body();
        body[64] = 1;
        Assert.That(_platform.Verify(body).Reasons, Is.EqualTo(new[] { TdxReasons.ModuleMismatch }));
        body = TdxPlatform.Body();
        body[112] = 1;
        Assert.That(_platform.Verify(body).Reasons, Is.EqualTo(new[] { TdxReasons.ModuleMismatch }));
    }

    [TestCase("UpToDate", "UpToDate", "UpToDate", "UpToDate")]
    [TestCase("SWHardeningNeeded", "UpToDate", "UpToDate", "SWHardeningNeeded")]
    [TestCase("ConfigurationNeeded", "UpToDate", "UpToDate", "ConfigurationNeeded")]
    [TestCase("ConfigurationAndSWHardeningNeeded", "UpToDate", "UpToDate", "ConfigurationAndSWHardeningNeeded")]
    [TestCase("OutOfDate", "UpToDate", "UpToDate", "OutOfDate")]
    [TestCase("OutOfDateConfigurationNeeded", "UpToDate", "UpToDate", "OutOfDateConfigurationNeeded")]
    [TestCase("Revoked", "UpToDate", "UpToDate", "Revoked")]
    [TestCase("UpToDate", "OutOfDate", "UpToDate", "OutOfDate")]
    [TestCase("SWHardeningNeeded", "UpToDate", "OutOfDate", "OutOfDate")]
    [TestCase("ConfigurationNeeded", "OutOfDate", "UpToDate", "OutOfDateConfigurationNeeded")]
    [TestCase("ConfigurationAndSWHardeningNeeded", "UpToDate", "OutOfDate", "OutOfDateConfigurationNeeded")]
    [TestCase("UpToDate", "Revoked", "UpToDate", "Revoked")]
    [TestCase("OutOfDate", "UpToDate", "Revoked", "Revoked")]
    public void Verify_EachStatus_Converges(string platform, string module, string qe, string expected)
    {
        _platform.TcbInfo["tcbLevels"]![0]!["tcbStatus"] = platform;
        _platform.TcbInfo["tdxModuleIdentities"] = new JsonArray(TdxPlatform.Module("TDX_01", TdxPlatform.IsvLevel(5, module)));
        _platform.Identity["tcbLevels"] = new JsonArray(TdxPlatform.IsvLevel(6, qe));
        TdxResult result = _platform.Verify(TdxPlatform.Body());
        Assert.That(result.Reasons, Is.Empty);
        Assert.That(result.Facts!.Tcb!.Status.ToString(), Is.EqualTo(expected));
    }

    [Test]
    public void Verify_NoLevelMatches_IsNotSupported()
    {
        _platform.TcbInfo["tcbLevels"] = new JsonArray(TdxPlatform.Level(6, 11, 3, "UpToDate"));
        Assert.That(_platform.Verify(TdxPlatform.Body()).Facts!.Tcb!.Status, Is.EqualTo(TcbStatus.TcbNotSupported));
    }

    [Test]
    public void Verify_LowerLaterComponent_IsNotSavedByAHigherFirst()
    {
        // As arrays, 9-0-… would be above 5-5-…; component by component it is not.
        using TdxPlatform platform = new(componentSvn: 9);
        platform.TcbInfo["tcbLevels"]![0]!["tcb"]!["sgxtcbcomponents"]![7]!["svn"] = 1;
        Assert.That(platform.Verify(TdxPlatform.Body()).Facts!.Tcb!.Status, Is.EqualTo(TcbStatus.OutOfDate));
    }

    [Test]
    public void Verify_ModuleOfALaterGeneration_IsJudgedByItsIdentityAlone()
    {
        // Components 0 and 1 of the level are above the quote's; only 2 and later count.
        JsonNode components = _platform.TcbInfo["tcbLevels"]![0]!["tcb"]!["tdxtcbcomponents"]!;
        components[0]!["svn"] = 200;
        components[1]!["svn"] = 200;
        Assert.That(_platform.Verify(TdxPlatform.Body()).Facts!.Tcb!.Status, Is.EqualTo(TcbStatus.UpToDate));
        Assert.That(_platform.Verify(TdxPlatform.Body(moduleVersion: 0)).Facts!.Tcb!.Status, Is.Not.EqualTo(TcbStatus.UpToDate));
    }

    [TestCase("UpToDate", "TDRelaunchAdvised")]
    [TestCase("ConfigurationNeeded", "TDRelaunchAdvisedConfigurationNeeded")]
    public void Verify_ModuleUpdatedSinceLaunch_IsRelaunchAdvised(string platform, string expected)
    {
        _platform.TcbInfo["tcbLevels"]![0]!["tcbStatus"] = platform;
        byte[] body = TdxPlatform.Body(is15: true, moduleSvn: 3);
        body[584] = 5;
        Assert.That(_platform.Verify(body).Facts!.Tcb!.Status.ToString(), Is.EqualTo(expected));
        body[584] = 4;
        Assert.That(_platform.Verify(body).Facts!.Tcb!.Status.ToString(), Is.Not.EqualTo(expected), "the loaded module is not the newest");
    }

    [Test]
    public void Verify_Advisories_AreThoseOfEveryMatchedLevel()
    {
        _platform.TcbInfo["tcbLevels"] = new JsonArray(TdxPlatform.Level(5, 11, 3, "OutOfDate", "INTEL-SA-9", "INTEL-SA-1"));
        _platform.Identity["tcbLevels"] = new JsonArray(TdxPlatform.IsvLevel(6, "UpToDate", "INTEL-SA-1", "INTEL-SA-5"));
        Assert.That(_platform.Verify(TdxPlatform.Body()).Facts!.Tcb!.Advisories, Is.EqualTo(new[] { "INTEL-SA-1", "INTEL-SA-5", "INTEL-SA-9" }));
    }

    [Test]
    public void Verify_SeveralTcbInfos_TheNewestViewCounts()
    {
        _platform.TcbInfo["tcbLevels"] = new JsonArray(TdxPlatform.Level(5, 11, 3, "UpToDate"));
        CollateralItem old = _platform.Items().Single(i => i.Name == "tcb-info");
        _platform.TcbInfo["tcbEvaluationDataNumber"] = 21;
        _platform.TcbInfo["tcbLevels"]![0]!["tcbStatus"] = "OutOfDate";
        CollateralSet both = CollateralSet.FromItems([old, .. _platform.Items()]);
        TdxResult result = TdxVerifier.Verify(_platform.Quote(TdxPlatform.Body()), both, _platform.Anchor, TdxPlatform.Now);
        Assert.That(result.Facts!.TcbEvaluationDataNumber, Is.EqualTo(21));
        Assert.That(result.Facts.Tcb!.Status, Is.EqualTo(TcbStatus.OutOfDate));
    }

    [Test]
    public void SignedJson_RepeatedOrUnknownMembers_AreMalformed()
    {
        string signature = new('0', 128);
        foreach (string json in (string[])
            [$$"""{"tcbInfo":{},"tcbInfo":{},"signature":"{{signature}}"}""", $$"""{"tcbInfo":{},"signature":"{{signature}}","x":1}""", """{"tcbInfo":{}}""", "{}", "[]"])
        {
            Assert.That(
                () => SignedJson.Parse(Encoding.UTF8.GetBytes(json), SignedJson.TcbInfoMember), Throws.InstanceOf<EvidenceException>(), json);
        }
    }
}
