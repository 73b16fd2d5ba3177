using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>Evidence in use is verified again from time to time, and never for another subject or policy by an old verdict.</summary>
public sealed class AppraisalCacheTests
{
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly AppraisalPolicy Policy = AppraisalPolicy.Default with { Id = "test", AllowSimulated = true };

    private readonly Counting _verifier = new();
    private AppraisalCache _cache = null!;
    private PeerId _peer = null!;
    private byte[] _bundle = null!;

    [SetUp]
    public void SetUp()
    {
        _verifier.Calls = 0;
        _verifier.HasTime = true;
        _cache = new AppraisalCache(new EvidenceAppraiser(_verifier));
        _peer = EvidenceSamples.Peer(out Ed25519PrivateKey key);
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        key.Dispose();
        _bundle = EvidenceSamples.Bundle(EvidenceSamples.Binding(_peer, identity), Now).Encode();
    }

    [Test]
    public void SameEvidence_WithinTheTime_IsVerifiedOnce()
    {
        Assert.That(Appraise(Now).IsAccepted);
        Assert.That(Appraise(Now + AppraisalCache.RecheckAfter - TimeSpan.FromSeconds(1)).IsAccepted);
        Assert.That(_verifier.Calls, Is.EqualTo(1));
        Appraise(Now + AppraisalCache.RecheckAfter);
        Assert.That(_verifier.Calls, Is.EqualTo(2), "the time is over");
    }

    [Test]
    public void SameEvidence_AfterItsOwnEnd_IsRefused()
    {
        AppraisalPolicy brief = Policy with { MaxEvidenceAge = TimeSpan.FromMinutes(2) };
        Assert.That(Appraise(Now, brief).IsAccepted);
        Assert.That(Appraise(Now.AddMinutes(2).AddSeconds(1), brief).IsAccepted, Is.False);
    }

    /// <summary>Hardware has no clock: an enclave makes evidence anew twice a day, and a host that hides it is found out a day after the first look.</summary>
    [Test]
    public void EvidenceWithoutATime_AgesFromItsFirstLook()
    {
        _verifier.HasTime = false;
        DateTimeOffset end = Now + Policy.MaxEvidenceAge;
        Assert.That(Appraise(Now).ValidUntil, Is.EqualTo(end));
        for (DateTimeOffset at = Now.AddHours(1); at <= end; at = at.AddHours(1))
        {
            Assert.That(Appraise(at), Has.Property(nameof(AttestationResult.IsAccepted)).True.And.Property(nameof(AttestationResult.ValidUntil)).EqualTo(end));
        }

        Assert.That(Appraise(end.AddSeconds(1)).Reasons, Is.EqualTo(new[] { ReasonWords.EvidenceStale }));
        Assert.That(Appraise(end.AddDays(30)).Reasons, Is.EqualTo(new[] { ReasonWords.EvidenceStale }), "it does not become new again");
    }

    /// <summary>Names of collateral, spare bytes behind a quote: a host can write the same evidence in many ways, and none of them is younger.</summary>
    [Test]
    public void EvidenceWithoutATime_WrappedAnew_IsAsOldAsBefore()
    {
        _verifier.HasTime = false;
        Assert.That(Appraise(Now).IsAccepted);
        EvidenceBundle bundle = EvidenceBundle.Decode(_bundle);
        byte[] again = (bundle with { Collateral = [new CollateralItem("spare", [1])] }).Encode();
        DateTimeOffset end = Now + Policy.MaxEvidenceAge;
        AttestationResult result = _cache.Appraise(again, new AppraisalSubject(_peer.Memory, EvidenceSamples.Model), Policy, end.AddSeconds(1));
        Assert.That(result.Reasons, Is.EqualTo(new[] { ReasonWords.EvidenceStale }));
    }

    [Test]
    public void OtherPeerChallengeOrPolicy_IsAppraisedForItself()
    {
        Appraise(Now);
        PeerId other = EvidenceSamples.Peer(out Ed25519PrivateKey key);
        key.Dispose();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(_cache.Appraise(_bundle, new AppraisalSubject(other.Memory, EvidenceSamples.Model), Policy, Now).Reasons, Does.Contain(ReasonWords.PeerMismatch));
            Assert.That(
                _cache.Appraise(_bundle, new AppraisalSubject(_peer.Memory, EvidenceSamples.Model, new byte[32]), Policy, Now).Reasons,
                Does.Contain(ReasonWords.ChallengeMismatch));
            Assert.That(Appraise(Now, Policy with { AllowSimulated = false }).Reasons, Does.Contain(ReasonWords.PolicySimulated), "same id, other content");
        }
    }

    [Test]
    public void Refusal_IsNotKept()
    {
        Appraise(Now, Policy with { AllowSimulated = false });
        Appraise(Now, Policy with { AllowSimulated = false });
        Assert.That(_verifier.Calls, Is.EqualTo(2));
    }

    [Test]
    public void Cache_Full_ForgetsTheOldest()
    {
        _cache = new AppraisalCache(new EvidenceAppraiser(_verifier), capacity: 2);
        for (int i = 0; i < 3; i++)
        {
            Appraise(Now, Policy with { Id = "p" + i });
        }

        Appraise(Now, Policy with { Id = "p2" });
        Assert.That(_verifier.Calls, Is.EqualTo(3));
        Appraise(Now, Policy with { Id = "p0" });
        Assert.That(_verifier.Calls, Is.EqualTo(4));
    }

    private AttestationResult Appraise(DateTimeOffset now, AppraisalPolicy? policy = null) =>
        _cache.Appraise(_bundle, new AppraisalSubject(_peer.Memory, EvidenceSamples.Model), policy ?? Policy, now);

    private sealed class Counting : IEvidenceVerifier
    {
        private readonly Cocoon.Protocol.Attestation.Simulated.SimulatedVerifier _inner = new();

        public int Calls { get; set; }

        /// <summary>Whether the evidence says when it was made, as a quote does not.</summary>
        public bool HasTime { get; set; } = true;

        public EvidenceKind Kind => EvidenceKind.Simulated;

        public EvidenceFacts Verify(EvidenceBundle bundle, EnclaveBinding binding, DateTimeOffset now)
        {
            Calls++;
            EvidenceFacts facts = _inner.Verify(bundle, binding, now);
            return HasTime ? facts : facts with { IssuedAt = null };
        }
    }
}
