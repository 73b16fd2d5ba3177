using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Inference;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

public sealed class EvidenceAppraiserTests
{
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly AppraisalPolicy Simulated = AppraisalPolicy.Default with { Id = "test", AllowSimulated = true };

    private PeerId _peer = null!;
    private Ed25519PrivateKey _peerKey = null!;
    private Ed25519PrivateKey _identity = null!;

    [SetUp]
    public void SetUp()
    {
        _peer = EvidenceSamples.Peer(out _peerKey);
        _identity = Ed25519PrivateKey.Generate();
    }

    [TearDown]
    public void TearDown()
    {
        _peerKey.Dispose();
        _identity.Dispose();
    }

    [Test]
    public void Appraise_SimulatedUnderTheDefaultPolicy_IsRefusedByName()
    {
        AttestationResult result = Appraise(Sample(), AppraisalPolicy.Default);
        Assert.That(result.Verdict, Is.EqualTo(Verdict.Refused));
        Assert.That(result.Reasons, Is.EqualTo(new[] { ReasonWords.PolicySimulated }));
    }

    [Test]
    public void Appraise_SimulatedUnderTheSwitch_IsAcceptedAsOpen()
    {
        AttestationResult result = Appraise(Sample(), Simulated);
        Assert.That(result.IsAccepted, string.Join(' ', result.Reasons));
        Assert.That(result.Claims!.Tier, Is.EqualTo(Tier.Open));
        Assert.That(result.Claims.ModelAssurance, Is.EqualTo("claimed"));
        Assert.That(result.Claims.IdentityKey.AsSpan().SequenceEqual(_identity.PublicKey.Bytes));
        Assert.That(result.Claims.Protections.Single().Name, Is.EqualTo("seccomp"));
        Assert.That(result.ValidUntil, Is.EqualTo(Now + Simulated.MaxEvidenceAge));
    }

    [Test]
    public void Appraise_MinimumTierAboveOpen_IsRefused() =>
        Assert.That(
            Appraise(Sample(), Simulated with { MinimumTier = Tier.CcCpu }).Reasons, Is.EqualTo(new[] { ReasonWords.PolicyTier }));

    [Test]
    public void Appraise_ForAnotherPeer_IsPeerMismatch()
    {
        PeerId other = EvidenceSamples.Peer(out Ed25519PrivateKey key);
        key.Dispose();
        AttestationResult result = EvidenceAppraiser.Standard.Appraise(
            Sample().Encode(), new AppraisalSubject(other.Memory, EvidenceSamples.Model), Simulated, Now);
        Assert.That(result.Reasons, Is.EqualTo(new[] { ReasonWords.PeerMismatch }));
    }

    [Test]
    public void Appraise_ForAnotherModel_IsModelMismatch()
    {
        AttestationResult result = EvidenceAppraiser.Standard.Appraise(
            Sample().Encode(), new AppraisalSubject(_peer.Memory, new ModelId(new byte[32])), Simulated, Now);
        Assert.That(result.Reasons, Is.EqualTo(new[] { ReasonWords.ModelMismatch }));
    }

    [Test]
    public void Appraise_ModelNotInThePolicy_IsPolicyModel() =>
        Assert.That(
            Appraise(Sample(), Simulated with { Models = [new ModelId(new byte[32])] }).Reasons,
            Is.EqualTo(new[] { ReasonWords.PolicyModel }));

    [Test]
    public void Appraise_OlderThanThePolicyAllows_IsStale()
    {
        byte[] bundle = Sample().Encode();
        AppraisalSubject subject = new(_peer.Memory, EvidenceSamples.Model);
        DateTimeOffset edge = Now + Simulated.MaxEvidenceAge;
        Assert.That(EvidenceAppraiser.Standard.Appraise(bundle, subject, Simulated, edge).IsAccepted);
        Assert.That(
            EvidenceAppraiser.Standard.Appraise(bundle, subject, Simulated, edge.AddSeconds(1)).Reasons,
            Is.EqualTo(new[] { ReasonWords.EvidenceStale }));
        Assert.That(
            EvidenceAppraiser.Standard.Appraise(bundle, subject, Simulated, Now.AddMinutes(-6)).Reasons,
            Is.EqualTo(new[] { ReasonWords.EvidenceFuture }));
    }

    /// <summary>Every verifier of today names the certificate or list that ended; one that only knows a date is held to it by the appraiser.</summary>
    [Test]
    public void Appraise_AfterTheFactsEnd_IsExpired()
    {
        AttestationResult At(DateTimeOffset now) => new EvidenceAppraiser(new Dated(Now)).Appraise(
            Sample().Encode(), new AppraisalSubject(_peer.Memory, EvidenceSamples.Model), Simulated, now);
        Assert.That(At(Now).IsAccepted);
        Assert.That(At(Now.AddSeconds(1)).Reasons, Is.EqualTo(new[] { ReasonWords.EvidenceExpired }));
    }

    [Test]
    public void Appraise_AnyByteOfTheBundleChanged_IsRefused()
    {
        byte[] bundle = Sample().Encode();
        for (int i = 0; i < bundle.Length; i++)
        {
            byte[] changed = [.. bundle];
            changed[i] ^= 1;
            AttestationResult result =
                EvidenceAppraiser.Standard.Appraise(changed, new AppraisalSubject(_peer.Memory, EvidenceSamples.Model), Simulated, Now);
            Assert.That(result.Verdict, Is.EqualTo(Verdict.Refused), $"byte {i}");
            Assert.That(result.Reasons, Is.Not.Empty.And.SubsetOf(ReasonWords.All));
        }
    }

    [Test]
    public void Appraise_BindingSwapped_IsReportDataMismatch()
    {
        EvidenceBundle bundle = Sample() with { Binding = [.. EvidenceSamples.Binding(_peer, _identity).Encode()] };
        Assert.That(Appraise(bundle, Simulated).Reasons, Is.EqualTo(new[] { ReasonWords.ReportDataMismatch }));
    }

    [Test]
    public void Appraise_SimulatedStatementClaimedAsTdx_IsUnsupportedHere()
    {
        EvidenceBundle bundle =
            EvidenceSamples.Bundle(EvidenceSamples.Binding(_peer, _identity) with { Kind = EvidenceKind.IntelTdx }, Now);
        AttestationResult result = new EvidenceAppraiser(new Cocoon.Protocol.Attestation.Simulated.SimulatedVerifier()).Appraise(
            bundle.Encode(), new AppraisalSubject(_peer.Memory, EvidenceSamples.Model), Simulated, Now);
        Assert.That(result.Reasons, Is.EqualTo(new[] { ReasonWords.KindUnsupported }));
    }

    [Test]
    public void Binding_Encoded_HasTheDocumentedLayout()
    {
        byte[] bytes = EvidenceSamples.Binding(_peer, _identity).Encode();
        Assert.That(System.Text.Encoding.ASCII.GetString(bytes, 0, 26), Is.EqualTo("cocoon/enclave-binding/v2\0"));
        Assert.That(bytes[26], Is.EqualTo(0xF0));
        Assert.That(bytes[27..31], Is.EqualTo(new byte[] { 0, 34, 0, 1 }));
        Assert.That(bytes[31..63].AsSpan().SequenceEqual(_identity.PublicKey.Bytes));
        Assert.That(EnclaveBinding.Decode(bytes).Encode(), Is.EqualTo(bytes));
        Assert.That(EnclaveBinding.ReportData(bytes), Is.EqualTo(SHA512.HashData(bytes)));
    }

    [Test]
    public void PolicyFile_RoundTrip_KeepsEverything()
    {
        AppraisalPolicy policy = Simulated with { Models = [EvidenceSamples.Model], MinimumTier = Tier.CcCpu, Kinds = [EvidenceKind.IntelTdx] };
        AppraisalPolicy parsed = AppraisalPolicyFile.Parse(System.Text.Encoding.UTF8.GetBytes(AppraisalPolicyFile.Format(policy)));
        Assert.That(AppraisalPolicyFile.Format(parsed), Is.EqualTo(AppraisalPolicyFile.Format(policy)));
        Assert.That(parsed.AllowSimulated);
    }

    [TestCase("""{"id":"x","allow_simulatd":true}""")]
    [TestCase("""{"id":"x","kinds":["simulated"]}""")]
    [TestCase("""{"id":"x","id":"y"}""")]
    [TestCase("""{"id":"x","minimum_tier":"closed"}""")]
    [TestCase("""{"id":"x","max_evidence_age_hours":-1}""")]
    [TestCase("""{}""")]
    [TestCase("""[]""")]
    [TestCase("")]
    public void PolicyFile_WithAMistake_IsAFormatException(string json) =>
        Assert.That(() => AppraisalPolicyFile.Parse(System.Text.Encoding.UTF8.GetBytes(json)), Throws.InstanceOf<FormatException>());

    private sealed class Dated(DateTimeOffset end) : IEvidenceVerifier
    {
        public EvidenceKind Kind => EvidenceKind.Simulated;

        public EvidenceFacts Verify(EvidenceBundle bundle, EnclaveBinding binding, DateTimeOffset now) => new() { Reasons = [], ValidUntil = end };
    }

    private EvidenceBundle Sample() => EvidenceSamples.Bundle(EvidenceSamples.Binding(_peer, _identity), Now);

    private AttestationResult Appraise(EvidenceBundle bundle, AppraisalPolicy policy) =>
        EvidenceAppraiser.Standard.Appraise(bundle.Encode(), new AppraisalSubject(_peer.Memory, EvidenceSamples.Model), policy, Now);
}
