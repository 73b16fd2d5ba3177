using System.Diagnostics;
using System.Text.Json.Nodes;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary><c>cocoon gpu</c> and <c>cocoon bench</c>: real processes, whose confined children load llama.cpp.</summary>
public sealed class GpuAndBenchCommandTests
{
    private TemporaryDirectory _folder = null!;

    [SetUp]
    public void SetUp()
    {
        if (CocoonProgram.MissingPrerequisite() is { } missing)
        {
            Assert.Ignore(missing);
        }

        _folder = new TemporaryDirectory();
    }

    [TearDown]
    public void TearDown() => _folder?.Dispose();

    [Test, CancelAfter(60_000)]
    public async Task Gpu_ListsWhatTheEngineUsesAndSaysWhyNotMore(CancellationToken cancellationToken)
    {
        CommandResult json = await RunAsync(cancellationToken, "gpu", "-o", "json");
        CommandResult csv = await RunAsync(cancellationToken, "gpu", "-o", "csv", "--columns", "device,kind,memory_total");
        CommandResult table = await RunAsync(cancellationToken, "gpu");
        Assert.That(json.ExitCode, Is.Zero, json.Error);
        JsonObject document = JsonNode.Parse(json.Output)!.AsObject();
        JsonObject[] devices = [.. document["devices"]!.AsArray().Select(d => d!.AsObject())];
        string notes = document["notes"]!.ToJsonString();
        bool hasGpu = devices.Any(d => d["kind"]!.ToString() != "cpu");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string)document["engine"]!, Does.StartWith("llama.cpp 0."));
            Assert.That(devices.Select(d => (string)d["kind"]!), Does.Contain("cpu"));
            Assert.That(devices.All(d => (long?)d["memory_total"] is > 0), Is.True, json.Output);
            Assert.That(hasGpu || notes.Contains("inference runs on the CPU", StringComparison.Ordinal) || notes.Contains("built for the CPU", StringComparison.Ordinal), Is.True, notes);
            Assert.That((string)document["nvml"]!, Is.Not.Empty);
            Assert.That(document["serving"], Is.Null, "no node runs here");
            Assert.That(csv.Output, Does.StartWith("device,kind,memory_total\n").And.Contain(",cpu,"));
            Assert.That(table.Output, Does.StartWith("DEVICE").And.Contain("CPU"));
            Assert.That(table.Error, Does.Contain("llama.cpp 0.").And.Contain("NVML: "));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Gpu_SoftwareVulkan_IsListedWithItsMemory(CancellationToken cancellationToken)
    {
        (string natives, string driver) = SoftwareVulkan.Require();
        ProcessStartInfo start = CocoonProgram.Launch(["gpu", "-o", "json", "--data", _folder.Path]);
        start.Environment["COCOON_NATIVES"] = natives;
        start.Environment["GGML_VK_VISIBLE_DEVICES"] = "0"; // a software device is only taken when it is named
        start.Environment["VK_ICD_FILENAMES"] = driver;
        CommandResult listed = await CocoonProgram.RunAsync(start, cancellationToken);
        Assert.That(listed.ExitCode, Is.Zero, listed.Error);
        JsonObject document = JsonNode.Parse(listed.Output)!.AsObject();
        Assert.That((string)document["built_for"]!, Is.EqualTo("vulkan"));
        Assert.That(document["devices"]!.AsArray().Select(d => $"{d!["backend"]} {d["kind"]}"), Does.Contain("Vulkan gpu"), listed.Output);
    }

    [Test, CancelAfter(60_000)]
    public async Task Gpu_LibrariesThatAreNotThere_FailsAndSaysSo(CancellationToken cancellationToken)
    {
        ProcessStartInfo start = CocoonProgram.Launch(["gpu", "--data", _folder.Path]);
        start.Environment["COCOON_NATIVES"] = _folder.Path;
        CommandResult result = await CocoonProgram.RunAsync(start, cancellationToken);
        Assert.That(result.ExitCode, Is.EqualTo(1), result.Output);
        Assert.That(result.Error, Does.Contain("no inference here").And.Contain("scripts/llama"));
    }

    [Test, CancelAfter(90_000)]
    public async Task Bench_MeasuresAndImpliesAnOffer(CancellationToken cancellationToken)
    {
        string model = TestModel.Ensure(TestModelMode.Random);
        CommandResult result = await RunAsync(cancellationToken, "bench", model, "--sequences", "1", "4", "8", "--rounds", "1", "--threads", "1", "--per-hour", "0.1", "-o", "json");
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        JsonObject document = JsonNode.Parse(result.Output)!.AsObject();
        JsonObject[] rates = [.. document["rates"]!.AsArray().Select(r => r!.AsObject())];
        JsonObject offer = document["offer"]!.AsObject();
        JsonObject chosen = rates.Single(r => (int)r["sequences"]! == (int)offer["slots"]!);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rates.Select(r => (int)r["sequences"]!), Is.EqualTo(new[] { 1, 4, 8 }));
            Assert.That(rates.All(r => (double)r["prefill_tokens_per_second"]! > 0 && (double)r["decode_tokens_per_second"]! > 0), Is.True, result.Output);
            Assert.That((double)offer["decode_tokens_per_second"]!, Is.EqualTo((double)chosen["decode_tokens_per_second"]!));
            Assert.That(long.Parse((string)offer["price_out_nanoton"]!, System.Globalization.CultureInfo.InvariantCulture), Is.GreaterThan(0));
            Assert.That((string)document["model_id"]!, Has.Length.EqualTo(64));
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Bench_OnTheSoftwareGpu_RunsThere_AndOnAGpuThatIsNotHereNowhere(CancellationToken cancellationToken)
    {
        (string natives, string driver) = SoftwareVulkan.Require();
        CommandResult named = await OnVulkanAsync("Vulkan0"), unknown = await OnVulkanAsync("CUDA7");
        Assert.That(named.ExitCode, Is.Zero, named.Error);
        JsonObject document = JsonNode.Parse(named.Output)!.AsObject();
        Assert.That((string)document["hardware"]!, Does.StartWith("llvmpipe"));
        Assert.That(unknown.ExitCode, Is.EqualTo(1));
        Assert.That(unknown.Error, Does.Contain("CUDA7").And.Contain("Vulkan0"));

        Task<CommandResult> OnVulkanAsync(string device)
        {
            ProcessStartInfo start = CocoonProgram.Launch(
            [
                "bench", TestModel.Ensure(), "--sequences", "1", "--rounds", "1", "--threads", "1", "--gpu-layers", "-1", "--gpu-devices", device, "--split-mode", "none", "-o", "json",
            ]);
            start.Environment["COCOON_NATIVES"] = natives;
            start.Environment["GGML_VK_VISIBLE_DEVICES"] = "0";
            start.Environment["VK_ICD_FILENAMES"] = driver;
            return CocoonProgram.RunAsync(start, cancellationToken);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Bench_FileThatIsNoModel_IsRefusedBeforeLlamaSeesIt(CancellationToken cancellationToken)
    {
        string file = _folder.File("bad.gguf");
        await File.WriteAllBytesAsync(file, (await File.ReadAllBytesAsync(TestModel.Ensure(), cancellationToken))[..5000], cancellationToken);
        CommandResult bad = await RunAsync(cancellationToken, "bench", file);
        CommandResult none = await RunAsync(cancellationToken, "bench", "no-such-model");
        CommandResult range = await RunAsync(cancellationToken, "bench", "--sequences", "65");
        Assert.That((bad.ExitCode, none.ExitCode, range.ExitCode), Is.EqualTo((1, 4, 2)), bad.Error + none.Error + range.Error);
        Assert.That(bad.Error, Does.Contain("does not end within the first 5000 bytes").Or.Contain("the file is cut off"));
    }

    private Task<CommandResult> RunAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        ProcessStartInfo start = CocoonProgram.Launch([.. arguments, .. arguments[0] == "gpu" ? (string[])["--data", _folder.Path] : []]);
        start.Environment["COCOON_MODELS"] = _folder.File("models");
        return CocoonProgram.RunAsync(start, cancellationToken);
    }
}
