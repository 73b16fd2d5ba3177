using Cocoon.Enclave.Attestation;
using Cocoon.Enclave.Attestation.Tsm;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Attestation;

public sealed class TsmEvidenceSourceTests
{
    private const int Busy = 16;
    private const int Denied = 13;

    private readonly ManualTimeProvider _time = new();
    private TestHardware _hardware = null!;

    [OneTimeSetUp]
    public void SetUp() => _hardware = new TestHardware();

    [OneTimeTearDown]
    public void TearDown() => _hardware.Dispose();

    [Test]
    public async Task Collect_OnTdxWithAGpu_GivesABundleThatVerifiesAsGpuTier()
    {
        MemoryTsmReports reports = TdxReports();
        TsmEvidenceSource source = new(
            EvidenceKind.IntelTdx, new TsmReportReader(reports, _time), new OneGpu(_hardware.Gpu), [.. _hardware.Tdx.Items()], () => []);
        Assert.That(source.Tier, Is.EqualTo(Tier.CcGpu));
        EvidenceBundle bundle = await source.CollectAsync(Binding(EvidenceKind.IntelTdx), CancellationToken.None);
        EvidenceFacts facts = Facts(bundle);
        Assert.That(facts.Reasons, Is.Empty);
        Assert.That(facts.Tier, Is.EqualTo(Tier.CcGpu));
        Assert.That(reports.Left, Is.Zero, "entries are removed");
    }

    [Test]
    public async Task Collect_OnSnp_ShipsTheHostsCertificateTable()
    {
        byte[] table = [.. new Guid("63da758d-e664-4564-adc5-f4b93be8accd").ToByteArray(bigEndian: true), 48, 0, 0, 0, .. BitConverter.GetBytes(_hardware.Snp.Vcek.Der.Length), .. new byte[24], .. _hardware.Snp.Vcek.Der];
        MemoryTsmReports reports = new("sev_guest", data => _hardware.Snp.Sign(SnpPlatform.WithReportData(SnpPlatform.Body(), data))) { Auxiliary = table };
        TsmEvidenceSource source = new(
            EvidenceKind.AmdSevSnp, new TsmReportReader(reports, _time), new NoGpus(), [.. _hardware.Snp.Items().Where(i => i.Name != "vcek")], () => []);
        EvidenceFacts facts = Facts(await source.CollectAsync(Binding(EvidenceKind.AmdSevSnp), CancellationToken.None));
        Assert.That(facts.Reasons, Is.Empty);
        Assert.That(facts.Tier, Is.EqualTo(Tier.CcCpu));
    }

    [Test]
    public async Task Read_SomebodyElseWritesMeanwhile_StartsAgainWithAnotherEntry()
    {
        MemoryTsmReports reports = TdxReports();
        reports.Interfere(entry => reports.Write(entry, "inblob", new byte[64]));
        byte[] mine = [.. Enumerable.Repeat((byte)7, 64)];
        Task<TsmReport> reading = new TsmReportReader(reports, _time).ReadAsync(EvidenceKind.IntelTdx, mine, CancellationToken.None);
        await _time.UntilAsync(() => reading.IsCompleted, "a second attempt");
        Assert.That(TdxQuote.Parse((await reading).Evidence).Body.ReportData.SequenceEqual(mine), "never the other's report");
        Assert.That((reports.Created, reports.Left), Is.EqualTo((2, 0)));
    }

    [Test]
    public async Task Read_BusyKernel_WaitsAndTriesAgainBounded()
    {
        MemoryTsmReports once = TdxReports();
        once.Interfere(_ => throw new IOException("busy", Busy));
        Task<TsmReport> reading = new TsmReportReader(once, _time).ReadAsync(EvidenceKind.IntelTdx, new byte[64], CancellationToken.None);
        await _time.UntilAsync(() => reading.IsCompleted, "a second attempt");
        Assert.That((await reading).Evidence, Is.Not.Empty);

        MemoryTsmReports always = TdxReports();
        for (int i = 0; i < 2 * TsmReportReader.MaxAttempts; i++)
        {
            always.Interfere(_ => throw new IOException("busy", Busy));
        }

        Task<TsmReport> failing = new TsmReportReader(always, _time).ReadAsync(EvidenceKind.IntelTdx, new byte[64], CancellationToken.None);
        await _time.UntilAsync(() => failing.IsCompleted, "giving up");
        Assert.That(() => failing, Throws.InstanceOf<TsmException>());
        Assert.That((always.Created, always.Left), Is.EqualTo((TsmReportReader.MaxAttempts, 0)));
    }

    [Test]
    public void Read_DeniedByTheKernel_FailsAtOnce()
    {
        MemoryTsmReports reports = TdxReports();
        reports.Interfere(_ => throw new IOException("denied", Denied));
        Assert.That(
            () => new TsmReportReader(reports, _time).ReadAsync(EvidenceKind.IntelTdx, new byte[64], CancellationToken.None), Throws.InstanceOf<TsmException>());
        Assert.That((reports.Created, reports.Left), Is.EqualTo((1, 0)));
    }

    [Test]
    public void Read_AnotherProvider_IsRefused() => Assert.That(
        () => new TsmReportReader(TdxReports(), _time).ReadAsync(EvidenceKind.AmdSevSnp, new byte[64], CancellationToken.None),
        Throws.InstanceOf<TsmException>());

    [Test]
    [Platform("Linux")]
    public async Task Tree_OfOneReader_GivesTheReportOverItsDataAndLeavesNothing()
    {
        using ReportTree tree = new("tdx_guest", TdxReport);
        TsmReportReader reader = new(tree, _time);
        Assert.That(reader.FindKind(), Is.EqualTo(EvidenceKind.IntelTdx));
        TsmEvidenceSource source = new(EvidenceKind.IntelTdx, reader, new OneGpu(_hardware.Gpu), [.. _hardware.Tdx.Items()], () => []);
        EvidenceFacts facts = Facts(await source.CollectAsync(Binding(EvidenceKind.IntelTdx), CancellationToken.None));
        Assert.That((facts.Reasons.Count, facts.Tier), Is.EqualTo((0, Tier.CcGpu)));
        Assert.That((tree.Created, tree.Left), Is.EqualTo((2, 0)));
    }

    [Test]
    [Platform("Linux")]
    public async Task Tree_SomebodyElseWritesMeanwhile_NeverGivesTheirReport([Values(1, 3)] int races)
    {
        using ReportTree tree = new("tdx_guest", TdxReport) { Races = races };
        byte[] mine = [.. Enumerable.Repeat((byte)7, 64)];
        Task<TsmReport> reading = new TsmReportReader(tree, _time).ReadAsync(EvidenceKind.IntelTdx, mine, CancellationToken.None);
        await _time.UntilAsync(() => reading.IsCompleted, "an attempt without a race");
        Assert.That(TdxQuote.Parse((await reading).Evidence).Body.ReportData.SequenceEqual(mine));
        Assert.That((tree.Created, tree.Left), Is.EqualTo((races + 1, 0)));
    }

    [Test]
    [Platform("Linux")]
    public async Task Tree_RacedForever_GivesUp()
    {
        using ReportTree tree = new("tdx_guest", TdxReport) { Races = int.MaxValue };
        Task<TsmReport> reading = new TsmReportReader(tree, _time).ReadAsync(EvidenceKind.IntelTdx, new byte[64], CancellationToken.None);
        await _time.UntilAsync(() => reading.IsCompleted, "giving up");
        Assert.That(() => reading, Throws.InstanceOf<TsmException>());
        Assert.That((tree.Created, tree.Left), Is.EqualTo((TsmReportReader.MaxAttempts, 0)));
    }

    [Test]
    [Platform("Linux")]
    public async Task Tree_OnSnp_GivesTheCertificateTableWhereThereIsOne([Values] bool hasTable)
    {
        byte[] table = [1, 2, 3];
        using ReportTree tree = new("sev_guest", data => _hardware.Snp.Sign(SnpPlatform.WithReportData(SnpPlatform.Body(), data))) { Auxiliary = hasTable ? table : null };
        TsmReport report = await new TsmReportReader(tree, _time).ReadAsync(EvidenceKind.AmdSevSnp, new byte[64], CancellationToken.None);
        Assert.That(report.Auxiliary, Is.EqualTo(hasTable ? table : []));
        Assert.That(tree.Left, Is.Zero);
    }

    [Test]
    [Platform("Linux")]
    public void Tree_AnotherProvider_IsRefusedBeforeAnythingIsWritten()
    {
        int made = 0;
        using ReportTree tree = new("arm_cca_guest", data =>
        {
            made += data.AsSpan().ContainsAnyExcept((byte)0) ? 1 : 0;
            return data;
        });
        TsmReportReader reader = new(tree, _time);
        byte[] mine = [.. Enumerable.Repeat((byte)7, 64)];
        Assert.That(() => reader.ReadAsync(EvidenceKind.IntelTdx, mine, CancellationToken.None), Throws.InstanceOf<TsmException>().With.Message.Contains("arm_cca_guest"));
        Assert.That(reader.FindKind(), Is.Null);
        Assert.That((made, tree.Left), Is.EqualTo((0, 0)));
    }

    [Test]
    [Platform("Linux")]
    public void Tree_ReadingFails_TellsTheErrnoAndTriesNoMore()
    {
        const int inputOutput = 5;
        using ReportTree tree = new("tdx_guest", TdxReport) { OutBlobTarget = "/proc/self/mem" };
        Assert.That(
            () => new TsmReportReader(tree, _time).ReadAsync(EvidenceKind.IntelTdx, new byte[64], CancellationToken.None),
            Throws.InstanceOf<TsmException>().With.InnerException.Property(nameof(Exception.HResult)).EqualTo(inputOutput));
        Assert.That((tree.Created, tree.Left), Is.EqualTo((1, 0)));
    }

    [Test]
    public void Tree_Absent_IsNoHardware() =>
        Assert.That(new TsmReportReader(new ConfigfsTsmReports("/nonexistent/tsm/report"), _time).FindKind(), Is.Null);

    [TestCase("tdx_guest", "auto", "tdx")]
    [TestCase("tdx_guest", "tdx", "tdx")]
    [TestCase("tdx_guest", "sev-snp", null)]
    [TestCase("tdx_guest", "simulated", "simulated")]
    [TestCase("sev_guest", "", "sev-snp")]
    [TestCase("arm_cca_guest", "auto", "simulated")]
    [TestCase(null, "auto", "simulated")]
    [TestCase(null, "tdx", null)]
    public void Choose_ByMachineAndWish_NeverGivesAnotherKindThanAskedFor(string? provider, string wanted, string? expected)
    {
        MemoryTsmReports reports = new(provider ?? "", _ => []) { IsPresent = provider is not null };
        IEvidenceSource? source = EvidenceSources.Choose(new Configure { Evidence = wanted }, new Protections(), reports, _time);
        Assert.That(source?.Kind.Word(), Is.EqualTo(expected));
        (source as IDisposable)?.Dispose();
    }

    [Test]
    public void EnclaveCollateral_OfAFolder_LeavesOutWhatIsNone()
    {
        string folder = Directory.CreateTempSubdirectory("cocoon-collateral").FullName;
        try
        {
            File.WriteAllBytes(Path.Combine(folder, "root.der"), _hardware.Tdx.Root.Der);
            File.WriteAllText(Path.Combine(folder, "notes.txt"), "hello");
            File.WriteAllText(Path.Combine(folder, "damaged.pem"), "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
            Assert.That(Cocoon.Node.Enclaves.EnclaveCollateral.Read(folder).Select(i => i.Name), Is.EqualTo(new[] { "root.der" }));
            Assert.That(Cocoon.Node.Enclaves.EnclaveCollateral.Read(Path.Combine(folder, "absent")), Is.Empty);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private MemoryTsmReports TdxReports() => new("tdx_guest", TdxReport);

    private byte[] TdxReport(byte[] data) => _hardware.Tdx.Quote(TdxPlatform.WithReportData(TdxPlatform.Body(), data));

    private EnclaveBinding Binding(EvidenceKind kind) => EvidenceSamples.Binding(_hardware.Peer, _hardware.Identity) with { Kind = kind };

    private EvidenceFacts Facts(EvidenceBundle bundle)
    {
        EnclaveBinding binding = EnclaveBinding.Decode(bundle.Binding.AsSpan());
        return binding.Kind == EvidenceKind.IntelTdx
            ? new TdxEvidenceVerifier(_hardware.Tdx.Anchor, _hardware.Gpu.Roots).Verify(bundle, binding, TdxPlatform.Now)
            : new SnpEvidenceVerifier(_hardware.Snp.Roots, _hardware.Gpu.Roots).Verify(bundle, binding, SnpPlatform.Now);
    }

    private sealed class OneGpu(GpuDevice device) : IGpuEvidenceSource
    {
        public int Count => 1;

        public GpuEvidence Collect(int index, ReadOnlySpan<byte> nonce) => device.Evidence(
            device.Report(nonce), device.Rim(GpuDevice.DriverVersion, 0, 1), device.Rim(GpuDevice.VbiosVersion, 2, 3));
    }

    private sealed class NoGpus : IGpuEvidenceSource
    {
        public int Count => 0;

        public GpuEvidence Collect(int device, ReadOnlySpan<byte> nonce) => throw new IOException("there is none");
    }
}
