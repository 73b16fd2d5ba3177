using System.Text;
using Cocoon.Protocol.Attestation;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>Mistakes that people make in a policy: each is said, and none widens what is accepted.</summary>
public sealed class AppraisalPolicyFileTests
{
    [TestCase("\"releases\": null")]
    [TestCase("\"releases\": [null]")]
    [TestCase("\"releases\": [{\"name\": null, \"kind\": \"tdx\"}]")]
    [TestCase("\"releases\": [{\"name\": \"a\", \"kind\": null}]")]
    [TestCase("\"releases\": [{\"name\": \"a\", \"kind\": \"simulated\"}]")]
    [TestCase("\"releases\": [{\"name\": \"a\", \"kind\": \"tdx\", \"mrtd\": [null]}]")]
    [TestCase("\"kinds\": null")]
    [TestCase("\"kinds\": [null]")]
    [TestCase("\"kinds\": [\"simulated\"]")]
    [TestCase("\"models\": null")]
    [TestCase("\"models\": [null]")]
    [TestCase("\"enclave_policies\": null")]
    [TestCase("\"enclave_policies\": [null]")]
    [TestCase("\"minimum_tier\": null")]
    [TestCase("\"minimum_tier\": \"cc\"")]
    [TestCase("\"max_evidence_age_hours\": -1")]
    [TestCase("\"tdx\": {\"statuses\": null}")]
    [TestCase("\"tdx\": {\"statuses\": [null]}")]
    [TestCase("\"tdx\": {\"statuses\": [\"Revoked\"]}")]
    [TestCase("\"tdx\": {\"accepted_advisories\": [null]}")]
    [TestCase("\"tdx\": {\"denied_fmspcs\": [null]}")]
    [TestCase("\"snp\": {\"minimum_tcb\": {\"Genoa\": null}}")]
    [TestCase("\"snp\": {\"denied_chips\": [\"\"]}")]
    [TestCase("\"gpu\": {\"architectures\": [null]}")]
    [TestCase("\"gpu\": {\"minimum_driver\": null}")]
    [TestCase("\"gpu\": {\"denied_devices\": [null]}")]
    [TestCase("\"allow_simulated\": \"true\"")]
    [TestCase("\"allow_simulated\": true, \"allow_simulated\": false")]
    [TestCase("\"allowsimulated\": true")]
    public void Parse_WithAMistake_SaysSoAndNothingElse(string member)
    {
        byte[] json = Encoding.UTF8.GetBytes($"{{\"id\": \"home\", {member}}}");
        Assert.That(() => AppraisalPolicyFile.Parse(json), Throws.InstanceOf<FormatException>().With.Message.StartsWith("policy: "));
    }

    [Test]
    public void Parse_OfWhatFormatWrote_IsTheSamePolicy() =>
        Assert.That(
            AppraisalPolicyFile.Format(AppraisalPolicyFile.Parse(Encoding.UTF8.GetBytes(AppraisalPolicyFile.Format(AppraisalPolicy.Default)))),
            Is.EqualTo(AppraisalPolicyFile.Format(AppraisalPolicy.Default)));
}
