using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Protocol.Attestation.Synthetic;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Attestation;

/// <summary><c>cocoon attest</c> as a person uses it: real processes, evidence and collateral in files and folders.</summary>
public sealed class AttestCommandTests
{
    // Within the windows of the chip's certificate and of AMD's list.
    private const string SnpTime = "2025-10-01T00:00:00Z";
    private const string GpuTime = "2025-06-01T00:00:00Z";

    private TemporaryDirectory _folder = null!;

    [SetUp]
    public void SetUp() => _folder = new TemporaryDirectory();

    [TearDown]
    public void TearDown() => _folder.Dispose();

    [Test, CancelAfter(90_000)]
    public async Task Verify_RealTdxQuote_IsAcceptedOnlyWhereThePolicyListsItsImage(CancellationToken cancellationToken)
    {
        JsonObject vector = Vector("tdx/google-v5-90c06f", out string folder);
        JsonObject expected = vector["expect"]!.AsObject();
        string[] arguments =
        [
            "--kind", "tdx", "--evidence", Path.Combine(folder, "quote.bin"), "--collateral", Path.Combine(folder, (string)vector["collateral"]!), "--at", (string)vector["verifyAt"]!,
        ];
        JsonObject release = new() { ["name"] = "vector", ["kind"] = "tdx", ["mrtd"] = One(expected["mrTd"]!) };
        for (int i = 0; i < 3; i++)
        {
            release[$"rtmr{i}"] = One(expected["rtmr"]![i]!);
        }

        JsonObject unlisted = await VerifyAsync(ExitCode.AttestationRefused, cancellationToken, arguments);
        JsonObject listed = await VerifyAsync(ExitCode.Ok, cancellationToken, [.. arguments, "--policy", WritePolicy(release)]);
        AssertResult(unlisted, expected, isValid: true, ReasonWords.PolicyMeasurement);
        AssertResult(listed, expected, isValid: true);
    }

    [Test, CancelAfter(90_000)]
    public async Task Verify_RealSnpReport_ReadsCollateralAsFilesFoldersDerAndPem(CancellationToken cancellationToken)
    {
        JsonObject vector = Vector("snp/genoa-v5", out string folder);
        JsonObject expected = vector["expect"]!.AsObject();
        string chain = Path.Combine(folder, (string)vector["chain"]!), list = Path.Combine(folder, "..", "crl", "genoa.crl.der");
        string policy = WritePolicy(new JsonObject { ["name"] = "vector", ["kind"] = "sev-snp", ["measurement"] = One(expected["measurement"]!) });
        string[] arguments = ["--kind", "sev-snp", "--evidence", Path.Combine(folder, "report.bin"), "--at", SnpTime, "--policy", policy];
        string[] der = [Path.Combine(folder, "vcek.der"), .. Directory.GetFiles(chain, "*.der"), list];
        string pem = _folder.File("all.pem");
        await File.WriteAllTextAsync(
            pem,
            string.Concat(der.Select(f => PemEncoding.WriteString(f == list ? "X509 CRL" : "CERTIFICATE", File.ReadAllBytes(f)) + "\n")),
            cancellationToken);
        string together = Directory.CreateDirectory(_folder.File("together")).FullName;
        foreach (string file in der)
        {
            File.Copy(file, Path.Combine(together, Path.GetFileName(file)));
        }

        string[][] ways =
        [
            ["--collateral", .. der],
            ["--collateral", der[0], "--collateral", chain, "--collateral", list],
            ["--collateral", together],
            ["--collateral", pem],
        ];
        foreach (string[] way in ways)
        {
            AssertResult(await VerifyAsync(ExitCode.Ok, cancellationToken, [.. arguments, .. way]), expected, isValid: true);
        }

        JsonObject withoutChip = await VerifyAsync(ExitCode.AttestationRefused, cancellationToken, [.. arguments, "--collateral", chain, list]);
        Assert.That((bool)withoutChip["evidence_valid"]!, Is.False);
        Assert.That(Reasons(withoutChip), Does.Contain(SnpReasons.EndorsementMissing));
    }

    [Test, CancelAfter(90_000)]
    public async Task Verify_RealGpuReport_HasTheExpectedFacts(CancellationToken cancellationToken)
    {
        JsonObject vector = Vector("nvidia/hopper-590.12-ppcie", out string folder);
        JsonObject result = await VerifyAsync(
            ExitCode.AttestationRefused,
            cancellationToken,
            "--kind", "nvidia", "--evidence", Path.Combine(folder, "report.bin"), "--collateral", Path.Combine(folder, "chain.pem"), "--at", GpuTime);
        AssertResult(
            result, vector["expect"]!.AsObject(), isValid: true, GpuReasons.DriverRimMissing, GpuReasons.VbiosRimMissing, GpuReasons.RevocationUnknown);
    }

    [TestCase("tdx/sgx-v3-not-tdx", false, TdxReasons.Unsupported)]
    [TestCase("tdx/coco-v4-debug-50806f", true, TdxReasons.TcbOutOfDate, TdxReasons.Debug, ReasonWords.PolicyMeasurement)]
    [TestCase("snp/forged-vcek-legacy", false, SnpReasons.Chain)]
    [CancelAfter(90_000)]
    public async Task Verify_Case_HasItsFactsAndReasons(string name, bool isValid, params string[] reasons)
    {
        JsonObject vector = Vector(name, out string folder);
        JsonObject expected = vector["expect"]!.AsObject();
        bool isUnreadable = expected.Remove("refuse");
        JsonObject result = await VerifyAsync(
            ExitCode.AttestationRefused, TestContext.CurrentContext.CancellationToken, "--case", Path.Combine(folder, "case.json"));
        AssertResult(result, expected, isValid, reasons);
        Assert.That(result["facts"]!.AsObject(), isUnreadable ? Is.Empty : Is.Not.Empty);
    }

    [Test, CancelAfter(90_000)]
    public async Task Verify_EvidenceUnderAnotherRoot_IsReadAndRefused(CancellationToken cancellationToken)
    {
        using TdxPlatform tdx = new();
        using SnpPlatform snp = new();
        using GpuDevice gpu = new();
        byte[] gpuReport = gpu.Report(new byte[GpuReport.NonceSize]);
        CollateralItem[] gpuItems =
        [
            new("chain.pem", [.. Encoding.ASCII.GetBytes(gpu.ChainPem)]), new("driver.xml", [.. gpu.Rim(GpuDevice.DriverVersion, 0, 1)]),
        ];
        JsonObject[] results = await Task.WhenAll(
            SyntheticAsync("tdx", tdx.Quote(TdxPlatform.Body()), tdx.Items(), TdxPlatform.Now, cancellationToken),
            SyntheticAsync("sev-snp", snp.Sign(SnpPlatform.Body()), snp.Items(), SnpPlatform.Now, cancellationToken),
            SyntheticAsync("nvidia", gpuReport, gpuItems, TdxPlatform.Now, cancellationToken));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(results.Select(r => (bool)r["evidence_valid"]!), Is.All.False);
            Assert.That(results.Select(r => Reasons(r)[0]), Is.EqualTo(new[] { TdxReasons.Chain, SnpReasons.Chain, GpuReasons.Chain }));
            Assert.That((string)results[0]["facts"]!["mrTd"]!, Is.EqualTo(string.Concat(Enumerable.Repeat("a1", 48))));
            Assert.That((string)results[1]["facts"]!["measurement"]!, Is.EqualTo(string.Concat(Enumerable.Repeat("a1", 48))));
            Assert.That((string)results[2]["facts"]!["driverVersion"]!, Is.EqualTo(GpuDevice.DriverVersion));
        }
    }

    [TestCase("tdx", TdxReasons.Malformed)]
    [TestCase("sev-snp", SnpReasons.Malformed)]
    [TestCase("nvidia", GpuReasons.Malformed)]
    [CancelAfter(90_000)]
    public async Task Verify_NoEvidence_HasNoFacts(string kind, string reason)
    {
        string file = _folder.File("evidence");
        await File.WriteAllTextAsync(file, "hello");
        JsonObject result = await VerifyAsync(ExitCode.AttestationRefused, TestContext.CurrentContext.CancellationToken, "--kind", kind, "--evidence", file);
        Assert.That(result["facts"]!.AsObject(), Is.Empty);
        AssertResult(result, [], isValid: false, reason);
    }

    [Test, CancelAfter(90_000)]
    public async Task Verify_WrongArguments_AreExplained(CancellationToken cancellationToken)
    {
        string file = _folder.File("evidence");
        await File.WriteAllTextAsync(file, "hello", cancellationToken);
        string[][] commands =
        [
            [],
            ["--kind", "sgx", "--evidence", file],
            ["--kind", "tdx", "--evidence", file, "--at", "yesterday"],
            ["--kind", "tdx", "--evidence", _folder.File("absent")],
            ["--kind", "tdx", "--evidence", file, "--collateral", file],
        ];
        CommandResult[] results = await Task.WhenAll(commands.Select(c => CocoonProgram.RunAsync(cancellationToken, ["attest", "verify", .. c])));
        Assert.That(results.Select(r => r.ExitCode), Is.All.Not.Zero.And.All.Not.EqualTo(ExitCode.AttestationRefused));
        Assert.That(results.Select(r => r.Output), Is.All.Empty);
        Assert.That(results.Select(r => r.Error), Is.All.StartWith("error: "));
    }

    [Test, CancelAfter(90_000)]
    public async Task PolicyAndReasons_ArePrinted_AndThePolicyReadsBack(CancellationToken cancellationToken)
    {
        CommandResult policy = await CocoonProgram.RunAsync(cancellationToken, "attest", "policy", "--data", _folder.Path);
        string file = _folder.File("own.json");
        await File.WriteAllTextAsync(file, policy.Output, cancellationToken);
        CommandResult again = await CocoonProgram.RunAsync(cancellationToken, "attest", "policy", "--policy", file);
        CommandResult reasons = await CocoonProgram.RunAsync(cancellationToken, "attest", "reasons", "-o", "json");
        Assert.That((policy.ExitCode, again.ExitCode, reasons.ExitCode), Is.EqualTo((0, 0, 0)), policy.Error + again.Error + reasons.Error);
        Assert.That(again.Output, Is.EqualTo(policy.Output));
        Assert.That(AppraisalPolicyFile.Parse(Encoding.UTF8.GetBytes(policy.Output)).Releases, Is.Empty, "default deny");
        JsonObject[] rows = [.. JsonNode.Parse(reasons.Output)!["reasons"]!.AsArray().OfType<JsonObject>()];
        Assert.That(rows.Select(r => (string)r["word"]!), Is.SupersetOf(ReasonWords.All).And.Unique);
        Assert.That(rows.Select(r => (string)r["meaning"]!), Is.All.Not.Empty);
    }

    /// <summary><c>cocoon attest policy > policy.json</c> in the data directory: the shell has emptied the file before the command runs.</summary>
    [Test, CancelAfter(90_000)]
    public async Task Policy_WrittenOverItsOwnFile_IsTheBuiltInOne_AndAnEmptyFileIsNoPolicyElsewhere(CancellationToken cancellationToken)
    {
        string folder = Directory.CreateDirectory(_folder.File("home")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "policy.json"), "", cancellationToken);
        CommandResult policy = await CocoonProgram.RunAsync(cancellationToken, "attest", "policy", "--data", folder);
        CommandResult named = await CocoonProgram.RunAsync(cancellationToken, "attest", "policy", "--policy", Path.Combine(folder, "policy.json"));
        CommandResult client = await CocoonProgram.RunAsync(cancellationToken, "client", "--data", folder);
        Assert.That((policy.ExitCode, named.ExitCode, client.ExitCode), Is.EqualTo((0, 2, 2)), policy.Error + named.Error + client.Error);
        Assert.That(AppraisalPolicyFile.Parse(Encoding.UTF8.GetBytes(policy.Output)).Id, Is.EqualTo(AppraisalPolicy.Default.Id));
    }

    private async Task<JsonObject> SyntheticAsync(
        string kind, byte[] evidence, IEnumerable<CollateralItem> items, DateTimeOffset now, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateDirectory(_folder.File(kind)).FullName, file = _folder.File(kind + ".bin");
        foreach (CollateralItem item in items)
        {
            await File.WriteAllBytesAsync(Path.Combine(folder, item.Name), item.Data.AsMemory(), cancellationToken);
        }

        await File.WriteAllBytesAsync(file, evidence, cancellationToken);
        return await VerifyAsync(
            ExitCode.AttestationRefused, cancellationToken, "--kind", kind, "--evidence", file, "--collateral", folder, "--at", now.ToString("O"));
    }

    private static async Task<JsonObject> VerifyAsync(int exitCode, CancellationToken cancellationToken, params string[] arguments)
    {
        CommandResult result = await CocoonProgram.RunAsync(cancellationToken, ["attest", "verify", .. arguments, "-o", "json"]);
        Assert.That(result.ExitCode, Is.EqualTo(exitCode), result.Output + result.Error);
        return JsonNode.Parse(result.Output)!.AsObject();
    }

    private static void AssertResult(JsonObject result, JsonObject expected, bool isValid, params string[] reasons)
    {
        foreach ((string name, JsonNode? value) in expected)
        {
            Assert.That(JsonNode.DeepEquals(result["facts"]![name], value), $"{name}: {result["facts"]![name]?.ToJsonString()} not {value?.ToJsonString()}");
        }

        Assert.That((bool)result["evidence_valid"]!, Is.EqualTo(isValid));
        Assert.That(Reasons(result), Is.EqualTo(reasons));
        Assert.That((string)result["verdict"]!, Is.EqualTo(reasons.Length == 0 ? "accepted" : "refused"));
    }

    private static string[] Reasons(JsonObject result) => [.. result["reasons"]!.AsArray().Select(r => (string)r!)];

    private string WritePolicy(JsonObject release)
    {
        string path = _folder.File("policy.json");
        File.WriteAllText(path, new JsonObject { ["id"] = "test", ["releases"] = One(release) }.ToJsonString());
        return path;
    }

    private static JsonArray One(JsonNode value) => [value.DeepClone()];

    private static JsonObject Vector(string name, out string folder)
    {
        if (TestPaths.Vectors is null)
        {
            Assert.Ignore("shared vectors are absent");
        }

        folder = Path.Combine(TestPaths.Vectors, "attestation", name);
        return JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "case.json")))!.AsObject();
    }
}
