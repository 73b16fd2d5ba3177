using System.Diagnostics;
using System.Runtime.InteropServices;
using Cocoon.Enclave.Attestation.Nvml;
using Cocoon.Enclave.Devices;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Devices;

/// <summary>NVIDIA's library as machines have it that are not the newest: in a process of its own, where another library has its name.</summary>
[Platform("Linux"), CancelAfter(60_000)]
public sealed class NvmlTests
{
    public const string Verb = "nvml";

    /// <summary>As a driver before confidential computing: one GPU, of which only the name is told.</summary>
    private const string OldDriver = """
        #include <string.h>
        int nvmlInit_v2(void) { return 0; }
        int nvmlShutdown(void) { return 0; }
        int nvmlSystemGetDriverVersion(char *version, unsigned length) { strncpy(version, "418.226", length); return 0; }
        int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)1; return 0; }
        int nvmlDeviceGetName(void *device, char *name, unsigned length) { strncpy(name, "Tesla V100", length); return 0; }
        int nvmlDeviceGetUUID(void *d, void *x, unsigned n) { return 3; }
        int nvmlDeviceGetPciInfo_v3(void *d, void *x) { return 3; }
        int nvmlDeviceGetMemoryInfo(void *d, void *x) { return 3; }
        int nvmlDeviceGetUtilizationRates(void *d, void *x) { return 3; }
        int nvmlDeviceGetTemperature(void *d, int s, void *x) { return 3; }
        int nvmlDeviceGetPowerUsage(void *d, void *x) { return 3; }
        int nvmlDeviceGetEnforcedPowerLimit(void *d, void *x) { return 3; }
        int nvmlDeviceGetCudaComputeCapability(void *d, void *x, void *y) { return 3; }
        """;

    /// <summary>Reads every GPU and opens the evidence source; one line each.</summary>
    public static int Run(TextWriter output)
    {
        IReadOnlyList<NvmlReading> readings = NvmlReading.ReadAll(out string state, out string? confidential);
        output.WriteLine($"{readings.Count} {state} {confidential ?? "unknown"}");
        output.WriteLine(string.Join(',', readings.Select(reading => reading.Name)));
        using NvmlGpuEvidenceSource source = NvmlGpuEvidenceSource.Open([]);
        output.WriteLine(source.Count);
        return 0;
    }

    [Test]
    public async Task Library_WithoutTheConfidentialCalls_StillListsItsGpus(CancellationToken cancellationToken)
    {
        using TemporaryDirectory folder = new();
        await File.WriteAllTextAsync(folder.File("nvml.c"), OldDriver, cancellationToken);
        if (!await CompileAsync(folder, cancellationToken))
        {
            Assert.Ignore("a C compiler (cc) is missing");
        }

        Assert.That(await ReadAsync(folder, cancellationToken), Is.EqualTo(new[] { "1 driver 418.226 unknown", "Tesla V100", "0" }));
    }

    [Test]
    public async Task Library_ThatIsSomethingElse_IsSaidSoAndNothingFails(CancellationToken cancellationToken)
    {
        using TemporaryDirectory folder = new();
        File.Copy(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "libSystem.Native.so"), folder.File("libnvidia-ml.so.1"));
        string[] lines = await ReadAsync(folder, cancellationToken);
        Assert.That(lines[0], Does.StartWith("0 ").And.Contain("nvmlInit_v2"));
        Assert.That(lines[2], Is.EqualTo("0"));
    }

    private static async Task<string[]> ReadAsync(TemporaryDirectory folder, CancellationToken cancellationToken)
    {
        using ToolProcess tool = ToolProcess.StartWith(["/usr/bin/env", "LD_LIBRARY_PATH=" + folder.Path], Verb);
        List<string> lines = [];
        while (await tool.ReadLineAsync(cancellationToken) is { } line)
        {
            lines.Add(line);
        }

        Assert.That(lines, Has.Count.EqualTo(3), "nothing failed");
        return [.. lines];
    }

    private static async Task<bool> CompileAsync(TemporaryDirectory folder, CancellationToken cancellationToken)
    {
        try
        {
            using Process compiler = Process.Start("cc", ["-shared", "-fPIC", "-o", folder.File("libnvidia-ml.so.1"), folder.File("nvml.c")]);
            await compiler.WaitForExitAsync(cancellationToken);
            return compiler.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
