using System.Collections.Immutable;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>Whole bundles of hardware evidence, made under roots of the test's own: what tier they give, and what each fault is called.</summary>
public sealed class HardwareAppraisalTests
{
    private static readonly DateTimeOffset Now = TdxPlatform.Now;

    private TestHardware _hardware = null!;

    [OneTimeSetUp]
    public void SetUp() => _hardware = new TestHardware();

    [OneTimeTearDown]
    public void TearDown() => _hardware.Dispose();

    [Test]
    public void Appraise_TdxOfAListedImage_IsCpuTier()
    {
        AttestationResult result = Appraise(Tdx(Binding(EvidenceKind.IntelTdx)), Policy());
        Assert.That(result.Reasons, Is.Empty);
        Assert.That(result.Claims!.Tier, Is.EqualTo(Tier.CcCpu));
        Assert.That(result.Claims.ModelAssurance, Is.EqualTo("attested"));
        Assert.That(result.ValidUntil, Is.EqualTo(Now + Policy().MaxEvidenceAge));
    }

    [Test]
    public void Appraise_SnpOfAListedImage_IsCpuTier()
    {
        AttestationResult result = Appraise(Snp(Binding(EvidenceKind.AmdSevSnp)), Policy());
        Assert.That(result.Reasons, Is.Empty);
        Assert.That(result.Claims!.Tier, Is.EqualTo(Tier.CcCpu));
    }

    [Test]
    public void Appraise_WithBoundGpus_IsGpuTier()
    {
        AttestationResult result = Appraise(Tdx(WithGpus(EvidenceKind.IntelTdx, out GpuEvidence[] gpus), gpus), Policy() with { MinimumTier = Tier.CcGpu });
        Assert.That(result.Reasons, Is.Empty);
        Assert.That(result.Claims!.Tier, Is.EqualTo(Tier.CcGpu));
        Assert.That(Appraise(Snp(WithGpus(EvidenceKind.AmdSevSnp, out gpus), gpus), Policy()).Claims!.Tier, Is.EqualTo(Tier.CcGpu));
    }

    [Test]
    public void Appraise_GpuWithoutManifests_StaysCpuTier()
    {
        EnclaveBinding binding = Binding(EvidenceKind.IntelTdx);
        byte[] report = _hardware.Gpu.Report(GpuNonce.Derive(binding.BootNonce.AsSpan(), binding.IdentityKey.AsSpan(), 0));
        binding = binding with { GpuEvidenceDigests = [[.. BoundGpus.Digest(report)]] };
        EvidenceBundle bundle = Tdx(binding, _hardware.Gpu.Evidence(report));
        Assert.That(Appraise(bundle, Policy()).Reasons, Is.EqualTo(new[] { GpuReasons.DriverRimMissing, GpuReasons.VbiosRimMissing }));
        AttestationResult lax = Appraise(bundle, Policy() with { Gpu = Policy().Gpu with { RequireRim = false } });
        Assert.That(lax.IsAccepted, string.Join(' ', lax.Reasons));
        Assert.That(lax.Claims!.Tier, Is.EqualTo(Tier.CcCpu));
    }

    [Test]
    public void Appraise_GpuOfAnotherBoot_IsItsNonce()
    {
        EnclaveBinding binding = WithGpus(EvidenceKind.IntelTdx, out GpuEvidence[] gpus) with { BootNonce = [.. new byte[32]] };
        Assert.That(Appraise(Tdx(binding, gpus), Policy()).Reasons, Does.Contain(GpuReasons.NonceMismatch));
    }

    [Test]
    public void Appraise_GpuThatTheBindingDoesNotName_IsRefused()
    {
        EnclaveBinding binding = WithGpus(EvidenceKind.IntelTdx, out GpuEvidence[] gpus);
        Assert.That(Appraise(Tdx(binding), Policy()).Reasons, Does.Contain(GpuReasons.CountMismatch));
        Assert.That(Appraise(Tdx(Binding(EvidenceKind.IntelTdx), gpus), Policy()).Reasons, Does.Contain(GpuReasons.CountMismatch));
        byte[] other = _hardware.Gpu.Report(GpuNonce.Derive(binding.BootNonce.AsSpan(), binding.IdentityKey.AsSpan(), 0));
        GpuEvidence swapped = gpus[0] with { Report = [.. other] };
        Assert.That(Appraise(Tdx(binding, swapped, gpus[1]), Policy()).Reasons, Does.Contain(GpuReasons.DigestMismatch));
    }

    [Test]
    public void Appraise_GpuWithDamagedCertificates_IsNamed()
    {
        EnclaveBinding binding = WithGpus(EvidenceKind.IntelTdx, out GpuEvidence[] gpus);
        GpuEvidence damaged = gpus[0] with { Chain = [.. "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"u8] };
        Assert.That(Appraise(Tdx(binding, damaged, gpus[1]), Policy()).Reasons, Is.EqualTo(new[] { GpuReasons.ChainMalformed }));
    }

    [Test]
    public void Appraise_MinimumTierOfGpuWithoutAny_IsTooLow() =>
        Assert.That(Appraise(Tdx(Binding(EvidenceKind.IntelTdx)), Policy() with { MinimumTier = Tier.CcGpu }).Reasons, Is.EqualTo(new[] { ReasonWords.PolicyTier }));

    [Test]
    public void Appraise_RevocationRequiredOfGpus_IsUnknownWithoutAnAnswer()
    {
        EvidenceBundle bundle = Tdx(WithGpus(EvidenceKind.IntelTdx, out GpuEvidence[] gpus), gpus);
        Assert.That(Appraise(bundle, Policy() with { Gpu = GpuPolicy.Strict }).Reasons, Is.EqualTo(new[] { GpuReasons.RevocationUnknown }));
    }

    [TestCase(EvidenceKind.IntelTdx)]
    [TestCase(EvidenceKind.AmdSevSnp)]
    public void Appraise_AnotherBindingUnderTheSameEvidence_IsReportData(object kind)
    {
        EvidenceBundle bundle = Bundle((EvidenceKind)kind);
        EvidenceBundle swapped = bundle with { Binding = [.. Binding((EvidenceKind)kind).Encode()] };
        Assert.That(Appraise(swapped, Policy()).Reasons, Is.EqualTo(new[] { ReasonWords.ReportDataMismatch }));
    }

    [TestCase(EvidenceKind.IntelTdx)]
    [TestCase(EvidenceKind.AmdSevSnp)]
    public void Appraise_UnderTheDefaultPolicy_NoImageIsListed(object kind) =>
        Assert.That(Appraise(Bundle((EvidenceKind)kind), AppraisalPolicy.Default).Reasons, Is.EqualTo(new[] { ReasonWords.PolicyMeasurement }));

    [TestCase(EvidenceKind.IntelTdx)]
    [TestCase(EvidenceKind.AmdSevSnp)]
    public void Appraise_KindNotListed_IsRefused(object kind) =>
        Assert.That(Appraise(Bundle((EvidenceKind)kind), Policy() with { Kinds = [] }).Reasons, Is.EqualTo(new[] { ReasonWords.PolicyKind }));

    [Test]
    public void Appraise_AfterTheCollateralsEnd_IsExpired()
    {
        AttestationResult result = Appraise(Tdx(Binding(EvidenceKind.IntelTdx)), Policy(), TdxPlatform.NextUpdate.AddSeconds(1));
        Assert.That(result.Reasons, Does.Contain(TdxReasons.CollateralExpired).And.Contain(TdxReasons.CrlExpired));
        Assert.That(result.Claims!.Tier, Is.EqualTo(Tier.Open), "a refused quote gives no tier");
    }

    [Test]
    public void Appraise_DamagedCollateral_IsRefusedByName()
    {
        EvidenceBundle bundle = Tdx(Binding(EvidenceKind.IntelTdx));
        CollateralItem chain = bundle.Collateral[^1];
        EvidenceBundle damaged = bundle with { Collateral = bundle.Collateral.Replace(chain, chain with { Data = [.. chain.Data.Select((b, i) => i == 60 ? (byte)'!' : b)] }) };
        Assert.That(Appraise(damaged, Policy()).Reasons, Does.Contain(ReasonWords.CollateralMalformed));
    }

    [Test]
    public void Appraise_EventLogOfAnotherBoot_IsAMismatch()
    {
        EvidenceBundle bundle = Tdx(Binding(EvidenceKind.IntelTdx));
        Assert.That(
            Appraise(bundle with { EventLog = [.. EventLogs.Encode((1, EventLogs.Digest(1)))] }, Policy()).Reasons, Is.EqualTo(new[] { TdxReasons.EventLogMismatch }));
        Assert.That(Appraise(bundle with { EventLog = [1, 2, 3] }, Policy()).Reasons, Is.EqualTo(new[] { TdxReasons.EventLogMalformed }));
    }

    [Test]
    public void TdxPolicy_EachFaultOfPlatformAndGuest_HasItsWord()
    {
        (Action<byte[]> Change, string Reason)[] guests =
        [
            (b => b[120] |= 1, TdxReasons.Debug),
            (b => b[120] |= 2, TdxReasons.AttributesReserved),
            (b => b[123] &= 0xEF, TdxReasons.SeptVeDisable),
            (b => b[123] |= 0x20, TdxReasons.Migratable),
            (b => b[127] |= 0x80, TdxReasons.PerfMon),
            (b => b[128] = 0, TdxReasons.Xfam),
            (b => b[135] = 1, TdxReasons.Xfam),
            (b => b[600] = 1, TdxReasons.ServiceTd),
            (b => b[136] ^= 1, ReasonWords.PolicyMeasurement),
            (b => b[328] ^= 1, ReasonWords.PolicyMeasurement),
            (b => b[472] = 1, ReasonWords.PolicyMeasurement),
            (b => b[184] = 1, ReasonWords.PolicyMeasurement),
        ];
        foreach ((Action<byte[]> change, string reason) in guests)
        {
            byte[] body = TdxPlatform.Body(is15: true);
            change(body);
            List<string> reasons = [];
            Policy().CheckTdx(_hardware.Tdx.Verify(body).Facts!, Now, reasons);
            Assert.That(reasons, Is.EqualTo(new[] { reason }));
        }
    }

    [Test]
    public void TdxPolicy_StatusAdvisoryRollbackAndDenial_HaveTheirWords()
    {
        TdxFacts good = _hardware.Tdx.Verify(TdxPlatform.Body()).Facts!;
        TdxFacts old = good with { Tcb = good.Tcb! with { Status = TcbStatus.OutOfDate, Advisories = ["INTEL-SA-1"] } };
        Assert.That(Reasons(Policy(), old), Is.EqualTo(new[] { TdxReasons.TcbOutOfDate }));
        AppraisalPolicy lax = Policy() with { Tdx = TdxPolicy.Strict with { Statuses = [TcbStatus.UpToDate, TcbStatus.OutOfDate] } };
        Assert.That(Reasons(lax, old), Is.EqualTo(new[] { TdxReasons.Advisory }));
        Assert.That(Reasons(lax with { Tdx = lax.Tdx with { AcceptedAdvisories = ["INTEL-SA-1"] } }, old), Is.Empty);
        AppraisalPolicy grace = Policy() with { Tdx = TdxPolicy.Strict with { OutOfDateGrace = TimeSpan.FromDays(365), AcceptedAdvisories = ["INTEL-SA-1"] } };
        Assert.That(Reasons(grace, old), Is.Empty);
        foreach (TcbStatus terminal in (TcbStatus[])[TcbStatus.Revoked, TcbStatus.TcbNotSupported])
        {
            AppraisalPolicy any = Policy() with { Tdx = TdxPolicy.Strict with { Statuses = [.. Enum.GetValues<TcbStatus>()] } };
            Assert.That(Reasons(any, good with { Tcb = good.Tcb! with { Status = terminal } }), Is.EqualTo(new[] { TdxReasons.ForStatus(terminal) }));
        }

        Assert.That(Reasons(Policy() with { Tdx = TdxPolicy.Strict with { MinimumTcbEvaluationDataNumber = 21 } }, good), Is.EqualTo(new[] { TdxReasons.TcbRollback }));
        Assert.That(Reasons(Policy() with { Tdx = TdxPolicy.Strict with { DeniedFmspcs = ["00806f050000"] } }, good), Is.EqualTo(new[] { TdxReasons.PlatformDenied }));
        Assert.That(Reasons(Policy() with { Tdx = TdxPolicy.Strict with { DeniedPlatforms = [new string('0', 32)] } }, good), Is.EqualTo(new[] { TdxReasons.PlatformDenied }));
    }

    [Test]
    public void SnpPolicy_EachFaultOfPlatformAndGuest_HasItsWord()
    {
        (Action<byte[]> Change, string[] Reasons)[] guests =
        [
            (b => b[10] |= 8, [SnpReasons.Debug]),
            (b => b[10] |= 4, [SnpReasons.MigrationAgent]),
            (b => b[10] &= 0xFD, [SnpReasons.PolicyReserved]),
            (b => b[0x1F8] = 1, [SnpReasons.Reserved]),
            (b => b[0x30] = 1, [SnpReasons.Vmpl]),
            (b => b[0x40] = 0, [SnpReasons.AliasCheck]),
            (b => b[0x1E7] = 1, [SnpReasons.CommittedTcb]),
            (b => b[0x1F7] = 1, [SnpReasons.LaunchTcb]),
            (b => b[0x90] ^= 1, [ReasonWords.PolicyMeasurement]),
            (b => b[0xC0] = 1, [ReasonWords.PolicyMeasurement]),
        ];
        foreach ((Action<byte[]> change, string[] expected) in guests)
        {
            byte[] report = SnpPlatform.Body();
            change(report);
            Assert.That(Reasons(Policy(), _hardware.Snp.Verify(_hardware.Snp.Sign(report)).Facts!), Is.EqualTo(expected));
        }

        SnpFacts good = _hardware.Snp.Verify(_hardware.Snp.Sign(SnpPlatform.Body())).Facts!;
        Assert.That(Reasons(Policy(), good with { IsRevocationChecked = false }), Is.EqualTo(new[] { SnpReasons.CrlMissing }));
        (SnpPolicy Policy, string Reason)[] policies =
        [
            (SnpPolicy.Strict with { AllowSmt = false }, SnpReasons.Smt),
            (SnpPolicy.Strict with { RequireCiphertextHiding = true }, SnpReasons.CiphertextHiding),
            (SnpPolicy.Strict with { DeniedChips = [Convert.ToHexStringLower(SnpPlatform.ChipId)] }, SnpReasons.ChipDenied),
            (SnpPolicy.Strict with { MinimumTcb = SnpPolicy.Strict.MinimumTcb.Remove("Genoa") }, SnpReasons.ProductDenied),
        ];
        foreach ((SnpPolicy policy, string reason) in policies)
        {
            Assert.That(Reasons(Policy() with { Snp = policy }, good), Is.EqualTo(new[] { reason }));
        }

        SnpTcb above = new(null, 10, 0, 25, 85);
        Assert.That(
            Reasons(Policy() with { Snp = SnpPolicy.Strict with { MinimumTcb = SnpPolicy.Strict.MinimumTcb.SetItem("Genoa", above) } }, good),
            Is.EqualTo(new[] { SnpReasons.ReportedTcb, SnpReasons.CommittedTcb, SnpReasons.LaunchTcb }));
    }

    [Test]
    public void Release_AfterItsEnd_IsNoLongerListed()
    {
        TdxRelease release = (TdxRelease)Policy().Releases[0];
        AppraisalPolicy ended = Policy() with { Releases = [release with { NotAfter = Now.AddSeconds(-1) }] };
        Assert.That(Reasons(ended, _hardware.Tdx.Verify(TdxPlatform.Body()).Facts!), Is.EqualTo(new[] { ReasonWords.PolicyMeasurement }));
    }

    [Test]
    public void PolicyFile_WithReleasesAndLimits_RoundTrips()
    {
        AppraisalPolicy policy = Policy() with
        {
            Tdx = TdxPolicy.Strict with { Statuses = [TcbStatus.UpToDate, TcbStatus.SWHardeningNeeded], AcceptedAdvisories = ["INTEL-SA-00615"], OutOfDateGrace = TimeSpan.FromDays(14) },
            Snp = SnpPolicy.Strict with { AllowVlek = true, MaximumVmpl = 1 },
        };
        string text = AppraisalPolicyFile.Format(policy);
        AppraisalPolicy parsed = AppraisalPolicyFile.Parse(System.Text.Encoding.UTF8.GetBytes(text));
        Assert.That(AppraisalPolicyFile.Format(parsed), Is.EqualTo(text));
        Assert.That(Appraise(Tdx(Binding(EvidenceKind.IntelTdx)), parsed).IsAccepted);
    }

    [TestCase("""{"id":"x","tdx":{"statuses":["Revoked"]}}""")]
    [TestCase("""{"id":"x","tdx":{"statuses":["Fine"]}}""")]
    [TestCase("""{"id":"x","tdx":{"denied_fmspcs":["12"]}}""")]
    [TestCase("""{"id":"x","tdx":{"out_of_date_grace_days":-1}}""")]
    [TestCase("""{"id":"x","snp":{"minimum_tcb":{"Naples":{"bootloader":1,"tee":1,"snp":1,"microcode":1}}}}""")]
    [TestCase("""{"id":"x","snp":{"minimum_tcb":{"Turin":{"bootloader":1,"tee":1,"snp":1,"microcode":1}}}}""")]
    [TestCase("""{"id":"x","snp":{"maximum_vmpl":4}}""")]
    [TestCase("""{"id":"x","gpu":{"architectures":["ada"]}}""")]
    [TestCase("""{"id":"x","gpu":{"count":99}}""")]
    [TestCase("""{"id":"x","releases":[{"name":"a","kind":"simulated"}]}""")]
    [TestCase("""{"id":"x","releases":[{"name":"a","kind":"tdx","measurement":["00"]}]}""")]
    [TestCase("""{"id":"x","releases":[{"name":"a","kind":"sev-snp","measurement":["00"]}]}""")]
    [TestCase("""{"id":"x","releases":[{"name":"a","kind":"tdx","mrt":[]}]}""")]
    public void PolicyFile_WithAMistakeInALimit_IsAFormatException(string json) =>
        Assert.That(() => AppraisalPolicyFile.Parse(System.Text.Encoding.UTF8.GetBytes(json)), Throws.InstanceOf<FormatException>());

    private static List<string> Reasons(AppraisalPolicy policy, TdxFacts facts)
    {
        List<string> reasons = [];
        policy.CheckTdx(facts, Now, reasons);
        return reasons;
    }

    private static List<string> Reasons(AppraisalPolicy policy, SnpFacts facts)
    {
        List<string> reasons = [];
        policy.CheckSnp(facts, Now, reasons);
        return reasons;
    }

    /// <summary>Lists the images of the synthetic machines; GPU revocation is left out, as there is no answer to staple.</summary>
    /// <summary>Lists the images of the synthetic platforms.</summary>
    internal static AppraisalPolicy Policy() => AppraisalPolicy.Default with
    {
        Id = "test",
        Releases =
        [
            new TdxRelease("image", null, [Fill("a1")], [[Fill("b0")], [Fill("b1")], [Fill("b2")], []], []),
            new SnpRelease("image", null, [Fill("a1")], [], 0),
        ],
        Gpu = GpuPolicy.Strict with { RequireRevocation = false },
    };

    private static string Fill(string octet) => string.Concat(Enumerable.Repeat(octet, 48));

    private EnclaveBinding Binding(EvidenceKind kind) => EvidenceSamples.Binding(_hardware.Peer, _hardware.Identity) with { Kind = kind };

    private EnclaveBinding WithGpus(EvidenceKind kind, out GpuEvidence[] gpus)
    {
        EnclaveBinding binding = Binding(kind);
        gpus =
        [
            .. Enumerable.Range(0, 2).Select(i => _hardware.Gpu.Evidence(
                _hardware.Gpu.Report(GpuNonce.Derive(binding.BootNonce.AsSpan(), binding.IdentityKey.AsSpan(), i)),
                _hardware.Gpu.Rim(GpuDevice.DriverVersion, 0, 1),
                _hardware.Gpu.Rim(GpuDevice.VbiosVersion, 2, 3))),
        ];
        return binding with { GpuEvidenceDigests = [.. gpus.Select(g => ImmutableArray.Create(BoundGpus.Digest(g.Report.AsSpan())))] };
    }

    private EvidenceBundle Bundle(EvidenceKind kind) => kind == EvidenceKind.IntelTdx ? Tdx(Binding(kind)) : Snp(Binding(kind));

    private EvidenceBundle Tdx(EnclaveBinding binding, params GpuEvidence[] gpus)
    {
        byte[] bytes = binding.Encode();
        byte[] quote = _hardware.Tdx.Quote(TdxPlatform.WithReportData(TdxPlatform.Body(), EnclaveBinding.ReportData(bytes)));
        return new EvidenceBundle { Binding = [.. bytes], EnclavePolicy = [.. EvidenceSamples.Rules.Encode()], Evidence = [.. quote], Collateral = [.. _hardware.Tdx.Items()], Gpus = [.. gpus] };
    }

    private EvidenceBundle Snp(EnclaveBinding binding, params GpuEvidence[] gpus)
    {
        byte[] bytes = binding.Encode();
        byte[] report = _hardware.Snp.Sign(SnpPlatform.WithReportData(SnpPlatform.Body(), EnclaveBinding.ReportData(bytes)));
        return new EvidenceBundle { Binding = [.. bytes], EnclavePolicy = [.. EvidenceSamples.Rules.Encode()], Evidence = [.. report], Collateral = [.. _hardware.Snp.Items()], Gpus = [.. gpus] };
    }

    private AttestationResult Appraise(EvidenceBundle bundle, AppraisalPolicy policy, DateTimeOffset? now = null) =>
        new EvidenceAppraiser(new TdxEvidenceVerifier(_hardware.Tdx.Anchor, _hardware.Gpu.Roots), new SnpEvidenceVerifier(_hardware.Snp.Roots, _hardware.Gpu.Roots)).Appraise(
            bundle.Encode(), new AppraisalSubject(_hardware.Peer.Memory, EvidenceSamples.Model), policy, now ?? Now);
}
