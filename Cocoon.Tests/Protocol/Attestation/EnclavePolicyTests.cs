using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>The rules that an enclave keeps: one form, one digest, bound to the evidence, and never weaker than hardware evidence promises.</summary>
public sealed class EnclavePolicyTests
{
    private static readonly DateTimeOffset Now = TdxPlatform.Now;
    private static readonly AppraisalPolicy Simulated = AppraisalPolicy.Default with { Id = "test", AllowSimulated = true };

    private Ed25519PrivateKey _peerKey = null!;
    private Ed25519PrivateKey _identity = null!;
    private PeerId _peer = null!;

    [OneTimeSetUp]
    public void SetUp()
    {
        _peer = EvidenceSamples.Peer(out _peerKey);
        _identity = Ed25519PrivateKey.Generate();
    }

    [OneTimeTearDown]
    public void TearDown()
    {
        _peerKey.Dispose();
        _identity.Dispose();
    }

    [Test]
    public void Encode_OfTheSample_IsReadableAndRoundTrips()
    {
        byte[] document = EvidenceSamples.Rules.Encode();
        Assert.That(
            Encoding.UTF8.GetString(document),
            Does.StartWith("""{"schema":"cocoon/enclave-policy/1","profile":"embedded","may_run_unprotected":false,"protections":{"core":"on","diagnostics":"on",""")
                .And.EndsWith("""
                    "suites":["0020-0001-0003"],"key_lifetime_seconds":3600,"key_overlap_seconds":300,"evidence_lifetime_seconds":43200,"replay_capacity":65536,"request_expiry_seconds":300,"frame_bytes":512,"frame_tick_milliseconds":100,"block_milliseconds":2000,"minimum_unit_tokens":64,"payment_wait_milliseconds":10000}
                    """));
        Assert.That(EnclavePolicy.TryDecode(document, out EnclavePolicy? decoded));
        Assert.That(decoded!.Encode(), Is.EqualTo(document));
        Assert.That(decoded.MissingProtections, Is.Empty);
    }

    /// <summary>Fewer of them would make every test that goes through the list weaker.</summary>
    [Test]
    public void RequiredProtections_AreAllOfThese() => Assert.That(
        EnclavePolicy.RequiredProtections,
        Is.EquivalentTo(new[] { "no_new_privs", "seccomp", "dumpable", "core", "pdeathsig", "output", "environment", "diagnostics" }));

    [Test]
    public void TryDecode_OfAnyOtherSpelling_IsFalse()
    {
        string document = Encoding.UTF8.GetString(EvidenceSamples.Rules.Encode());
        foreach (string other in (string[])
        [
            "", "null", "{}", "[]", " " + document, document + "\n", document.Replace(",", ", ", StringComparison.Ordinal),
            document.Replace("\"core\":\"on\",\"diagnostics\":\"on\"", "\"diagnostics\":\"on\",\"core\":\"on\"", StringComparison.Ordinal),
            document.Replace("\"core\":\"on\"", "\"core\":\"on\",\"core\":\"on\"", StringComparison.Ordinal),
            document.Replace("\"core\":\"on\"", "\"core\":null", StringComparison.Ordinal),
            document.Replace("\"core\":\"on\"", "\"core\":\"maybe\"", StringComparison.Ordinal),
            document.Replace("policy/1", "policy/2", StringComparison.Ordinal), document.Replace("embedded", "elsewhere", StringComparison.Ordinal),
            document.Replace("\"schema\"", "\"extra\":1,\"schema\"", StringComparison.Ordinal), document.Replace("3600", "3600.0", StringComparison.Ordinal),
            document.Replace("3600", "\"3600\"", StringComparison.Ordinal), document.Replace("[\"0020-0001-0003\"]", "null", StringComparison.Ordinal),
            document.Replace("0020-0001-0003", new string('0', EnclavePolicy.MaxSize), StringComparison.Ordinal),
        ])
        {
            Assert.That(EnclavePolicy.TryDecode(Encoding.UTF8.GetBytes(other), out _), Is.False, other);
        }
    }

    [Test]
    public void TryDecode_OfAnyByteChanged_IsFalseOrOtherRules()
    {
        byte[] document = EvidenceSamples.Rules.Encode();
        for (int i = 0; i < document.Length; i++)
        {
            byte[] changed = [.. document];
            changed[i] ^= 1;
            bool isRead = EnclavePolicy.TryDecode(changed, out EnclavePolicy? other);
            Assert.That(!isRead || !other!.Encode().AsSpan().SequenceEqual(document), $"byte {i}");
        }
    }

    [Test]
    public void Appraise_RulesBoundAndShown_AreInTheClaims()
    {
        AttestationResult result = Appraise(Bundle(EvidenceSamples.Rules), Simulated);
        Assert.That(result.Reasons, Is.Empty);
        Assert.That(result.Claims!.EnclavePolicy!.Encode(), Is.EqualTo(EvidenceSamples.Rules.Encode()));
        Assert.That(result.Claims.PolicyDigest, Is.EqualTo(EnclavePolicy.Digest(EvidenceSamples.Rules.Encode())));
    }

    /// <summary>A host hands the bundle on: it can show other rules than those that the enclave bound, or none.</summary>
    [Test]
    public void Appraise_OtherRulesShownThanBound_IsPolicyMismatch()
    {
        EvidenceBundle bundle = Bundle(EvidenceSamples.Rules with { MayRunUnprotected = true });
        Assert.That(Reasons(bundle with { EnclavePolicy = [.. EvidenceSamples.Rules.Encode()] }), Is.EqualTo(new[] { ReasonWords.EnclavePolicyMismatch }));
        Assert.That(Reasons(bundle with { EnclavePolicy = [] }), Is.EqualTo(new[] { ReasonWords.EnclavePolicyMismatch }));
        Assert.That(Reasons(bundle), Is.Empty, "as it was bound");
    }

    /// <summary>The digest of nothing, as all versions before this one had it, is no policy either.</summary>
    [Test]
    public void Appraise_DigestOfZeros_IsPolicyMismatch()
    {
        EnclaveBinding binding = EvidenceSamples.Binding(_peer, _identity) with { PolicyDigest = [.. new byte[32]] };
        Assert.That(Reasons(EvidenceSamples.Bundle(binding, Now)), Is.EqualTo(new[] { ReasonWords.EnclavePolicyMismatch }));
    }

    [Test]
    public void Appraise_RulesBoundInAnotherForm_AreMalformed()
    {
        byte[] document = [.. EvidenceSamples.Rules.Encode(), (byte)'\n'];
        Assert.That(Reasons(Bundle(document)), Is.EqualTo(new[] { ReasonWords.EnclavePolicyMalformed }));
    }

    [Test]
    public void Appraise_PolicyThatListsRules_TakesNoOthers()
    {
        string digest = Convert.ToHexStringLower(EnclavePolicy.Digest(EvidenceSamples.Rules.Encode()));
        AppraisalPolicy pinned = AppraisalPolicyFile.Parse(Encoding.UTF8.GetBytes(
            $$"""{"id":"home","allow_simulated":true,"enclave_policies":["{{digest.ToUpperInvariant()}}"]}"""));
        Assert.That(Appraise(Bundle(EvidenceSamples.Rules), pinned).Reasons, Is.Empty);
        Assert.That(
            Appraise(Bundle(EvidenceSamples.Rules with { Profile = EnclavePolicy.Upstream }), pinned).Reasons, Is.EqualTo(new[] { ReasonWords.PolicyEnclavePolicy }));
        Assert.That((string?)JsonNode.Parse(AppraisalPolicyFile.Format(pinned))!["enclave_policies"]![0], Is.EqualTo(digest));
        Assert.That(
            () => AppraisalPolicyFile.Parse("""{"id":"home","enclave_policies":["00"]}"""u8), Throws.InstanceOf<FormatException>().With.Message.Contains("enclave_policies"));
    }

    /// <summary>An image that lets its host weaken it, though its measurements are listed.</summary>
    [Test]
    public void Appraise_HardwareEvidenceOfAWeakenedEnclave_IsRefused()
    {
        using TdxPlatform platform = new();
        EnclavePolicy whole = EvidenceSamples.Rules;
        EnclavePolicy[] weakened =
        [
            whole with { MayRunUnprotected = true },
            whole with { Profile = EnclavePolicy.Upstream },
            .. EnclavePolicy.RequiredProtections.Select(name => whole with { Protections = whole.Protections.SetItem(name, EnclavePolicy.Off) }),
            .. EnclavePolicy.RequiredProtections.Select(name => whole with { Protections = whole.Protections.Remove(name) }),
        ];
        Assert.That(AppraiseTdx(platform, whole.Encode()), Is.Empty);
        foreach (byte[] rules in weakened.Select(one => one.Encode()))
        {
            Assert.That(AppraiseTdx(platform, rules), Is.EqualTo(new[] { ReasonWords.PolicyProtections }), Encoding.UTF8.GetString(rules));
        }
    }

    private ImmutableArray<string> AppraiseTdx(TdxPlatform platform, byte[] rules)
    {
        EnclaveBinding binding = EvidenceSamples.Binding(_peer, _identity) with { Kind = EvidenceKind.IntelTdx, PolicyDigest = [.. EnclavePolicy.Digest(rules)] };
        byte[] bytes = binding.Encode();
        byte[] quote = platform.Quote(TdxPlatform.WithReportData(TdxPlatform.Body(), EnclaveBinding.ReportData(bytes)));
        EvidenceBundle bundle = new() { Binding = [.. bytes], EnclavePolicy = [.. rules], Evidence = [.. quote], Collateral = [.. platform.Items()] };
        return new EvidenceAppraiser(new TdxEvidenceVerifier(platform.Anchor, Cocoon.Protocol.Attestation.Nvidia.GpuRoots.Nvidia))
            .Appraise(bundle.Encode(), new AppraisalSubject(_peer.Memory, EvidenceSamples.Model), HardwareAppraisalTests.Policy(), Now).Reasons;
    }

    private EvidenceBundle Bundle(EnclavePolicy rules) => Bundle(rules.Encode());

    private EvidenceBundle Bundle(byte[] rules)
    {
        EnclaveBinding binding = EvidenceSamples.Binding(_peer, _identity) with { PolicyDigest = [.. EnclavePolicy.Digest(rules)] };
        return EvidenceSamples.Bundle(binding, Now) with { EnclavePolicy = [.. rules] };
    }

    private ImmutableArray<string> Reasons(EvidenceBundle bundle) => Appraise(bundle, Simulated).Reasons;

    private AttestationResult Appraise(EvidenceBundle bundle, AppraisalPolicy policy) =>
        EvidenceAppraiser.Standard.Appraise(bundle.Encode(), new AppraisalSubject(_peer.Memory, EvidenceSamples.Model), policy, Now);
}
