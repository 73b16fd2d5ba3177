using System.Diagnostics;
using System.Globalization;
using Cocoon.Node.Cli;
using Cocoon.Node.Enclaves;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Devices;

/// <summary>The cap on watts, set through our binding in a library that stands in for NVIDIA's: its GPUs are lines of a file.</summary>
public sealed class PowerLimitTests
{
    public const string Verb = "power-limit";

    /// <summary>Layouts and result codes of nvml.h. STANDIN_GPUS names a file of one line for each GPU: its limit now, least and most, in milliwatts.</summary>
    private const string StandIn = """
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        typedef struct { unsigned now, least, most; } gpu;
        static gpu gpus[8];
        static unsigned read_gpus(void) {
          unsigned n = 0; FILE *f = fopen(getenv("STANDIN_GPUS"), "r");
          while (f && n < 8 && fscanf(f, "%u %u %u", &gpus[n].now, &gpus[n].least, &gpus[n].most) == 3) n++;
          if (f) fclose(f);
          return n;
        }
        int nvmlInit_v2(void) { return getenv("STANDIN_BROKEN") ? 9 : 0; }
        int nvmlShutdown(void) { return 0; }
        int nvmlDeviceGetCount_v2(unsigned *count) { *count = read_gpus(); return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **device) { *device = (void *)(size_t)(i + 1); return 0; }
        int nvmlDeviceGetName(void *device, char *name, unsigned length) { snprintf(name, length, "Stand-in %u", (unsigned)(size_t)device - 1); return 0; }
        int nvmlDeviceGetPowerManagementLimit(void *device, unsigned *now) { read_gpus(); *now = gpus[(size_t)device - 1].now; return *now ? 0 : 3; }
        int nvmlDeviceGetPowerManagementLimitConstraints(void *device, unsigned *least, unsigned *most) {
          read_gpus(); *least = gpus[(size_t)device - 1].least; *most = gpus[(size_t)device - 1].most; return 0;
        }
        int nvmlDeviceSetPowerManagementLimit(void *device, unsigned limit) {
          if (getenv("STANDIN_UNPRIVILEGED")) return 4;
          unsigned n = read_gpus(); gpus[(size_t)device - 1].now = limit;
          FILE *f = fopen(getenv("STANDIN_GPUS"), "w");
          for (unsigned i = 0; i < n; i++) fprintf(f, "%u %u %u\n", gpus[i].now, gpus[i].least, gpus[i].most);
          fclose(f);
          return 0;
        }
        """;

    private TemporaryDirectory _folder = null!;

    private string Gpus => _folder.File("gpus");

    [OneTimeSetUp]
    public async Task CompileAsync()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("the stand-in for libnvidia-ml.so.1 is built on Linux");
        }

        _folder = new TemporaryDirectory();
        await File.WriteAllTextAsync(_folder.File("nvml.c"), StandIn);
        ProcessStartInfo compile = new("cc") { ArgumentList = { "-shared", "-fPIC", "-o", _folder.File("libnvidia-ml.so.1"), _folder.File("nvml.c") } };
        try
        {
            using Process compiler = Process.Start(compile)!;
            await compiler.WaitForExitAsync();
            Assert.That(compiler.ExitCode, Is.Zero);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("no C compiler named cc builds the stand-in for libnvidia-ml.so.1 (Debian: gcc)");
        }
    }

    [OneTimeTearDown]
    public void Clean() => _folder?.Dispose();

    [Test, CancelAfter(60_000)]
    public async Task Start_EveryGpu_IsCapped_AndHasItsOwnLimitAgainAtTheEnd(CancellationToken cancellationToken)
    {
        await WriteAsync("700000 100000 700000", "450000 150000 600000");
        await using (PowerLimitKeeper keeper = await PowerLimitKeeper.StartAsync(Launch(300), cancellationToken))
        {
            Assert.That(await NowAsync(), Is.EqualTo(new[] { "300000", "300000" }));
            Assert.That(keeper.Gpus, Is.EqualTo(new[]
            {
                "Stand-in 0: at most 300 W, 700 W again when this node ends", "Stand-in 1: at most 300 W, 450 W again when this node ends",
            }));
        }

        Assert.That(await NowAsync(), Is.EqualTo(new[] { "700000", "450000" }));
    }

    [Test, CancelAfter(60_000)]
    public async Task Parent_Killed_TheLimitIsPutBackNevertheless(CancellationToken cancellationToken)
    {
        await WriteAsync("700000 100000 700000");

        // A shell stands for the node: it is killed, and the end of its pipe is all that the keeper learns.
        ProcessStartInfo child = Launch(250);
        ProcessStartInfo start = new("/bin/sh") { RedirectStandardOutput = true, UseShellExecute = false };
        foreach ((string name, string? value) in child.Environment)
        {
            start.Environment[name] = value;
        }

        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("sleep 600 | \"$@\"");
        start.ArgumentList.Add("sh");
        start.ArgumentList.Add(child.FileName);
        foreach (string argument in child.ArgumentList)
        {
            start.ArgumentList.Add(argument);
        }

        using Process shell = Process.Start(start)!;
        Assert.That(await shell.StandardOutput.ReadLineAsync(cancellationToken), Does.Contain("Stand-in 0"));
        Assert.That(await NowAsync(), Is.EqualTo(new[] { "250000" }));
        foreach (int holder in await ChildrenAsync(shell.Id, "sleep"))
        {
            Process.GetProcessById(holder).Kill();
        }

        await shell.WaitForExitAsync(cancellationToken);
        Assert.That(await NowAsync(), Is.EqualTo(new[] { "700000" }));
    }

    [TestCase("", "only root may cap Stand-in 0", "STANDIN_UNPRIVILEGED")]
    [TestCase("", "does not start (error 9)", "STANDIN_BROKEN")]
    [TestCase("90000 10000 120000", "Stand-in 1 can be capped at 10 to 120 W, not at 300", null)]
    [TestCase("0 0 0", "Stand-in 1 has no power limit that can be set", null)]
    [CancelAfter(60_000)]
    public async Task Start_Refused_SaysWhy_AndLeavesNothingCapped(string second, string part, string? variable, CancellationToken cancellationToken)
    {
        await WriteAsync(second.Length == 0 ? ["700000 100000 700000"] : ["700000 100000 700000", second]);
        string[] before = await NowAsync();
        ProcessStartInfo start = Launch(300);
        if (variable is not null)
        {
            start.Environment[variable] = "1";
        }

        CliException refused = (await Assert.ThrowsAsync<CliException>(() => PowerLimitKeeper.StartAsync(start, cancellationToken)))!;
        Assert.That(refused.Why, Does.Contain(part));
        Assert.That(await NowAsync(), Is.EqualTo(before), "also of a GPU that was capped before another refused");
    }

    [Test, CancelAfter(60_000)]
    public async Task Up_OnAMachineWithoutNvidia_SaysSoAndDoesNotStart(CancellationToken cancellationToken)
    {
        if (CocoonProgram.MissingPrerequisite() is { } missing)
        {
            Assert.Ignore(missing);
        }

        if (Cocoon.Enclave.Attestation.Nvml.NvmlLibrary.IsPresent)
        {
            Assert.Ignore("this machine has NVIDIA's management library");
        }

        CommandResult refused = await CocoonProgram.RunAsync(
            CocoonProgram.Launch(["up", "--no-model", "--power-limit", "200", "--data", _folder.File("node")]), cancellationToken);
        CommandResult absurd = await CocoonProgram.RunAsync(
            CocoonProgram.Launch(["up", "--no-model", "--power-limit", "20000", "--data", _folder.File("node")]), cancellationToken);
        Assert.That((refused.ExitCode, absurd.ExitCode), Is.EqualTo((1, 2)), refused.Error + absurd.Error);
        Assert.That(refused.Error, Does.Contain("libnvidia-ml.so.1 is not on this machine").And.Contain("--work-percent"));
    }

    /// <summary>The process itself, found by the loader where the stand-in is.</summary>
    public static Task<int> RunAsync(string watts) =>
        Cocoon.Enclave.Devices.PowerLimit.RunAsync(uint.Parse(watts, CultureInfo.InvariantCulture), Console.In, Console.Out, CancellationToken.None);

    private ProcessStartInfo Launch(uint watts)
    {
        ProcessStartInfo start = new(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false,
            ArgumentList = { "exec", typeof(PowerLimitTests).Assembly.Location, Verb, watts.ToString(CultureInfo.InvariantCulture) },
        };
        start.Environment["LD_LIBRARY_PATH"] = _folder.Path;
        start.Environment["STANDIN_GPUS"] = Gpus;
        return start;
    }

    private Task WriteAsync(params string[] gpus) => File.WriteAllLinesAsync(Gpus, gpus);

    private async Task<string[]> NowAsync() => [.. (await File.ReadAllLinesAsync(Gpus)).Select(l => l.Split(' ')[0])];

    private static async Task<int[]> ChildrenAsync(int parent, string name)
    {
        string[] children = (await File.ReadAllTextAsync($"/proc/{parent}/task/{parent}/children")).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return [.. children.Select(c => int.Parse(c, CultureInfo.InvariantCulture)).Where(c => File.ReadAllText($"/proc/{c}/comm").Trim() == name)];
    }
}
