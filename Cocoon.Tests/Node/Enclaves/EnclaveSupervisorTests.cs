using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Cocoon.Enclave.Hardening;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Inference;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Enclave.Sessions;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Enclaves;

/// <summary>A real enclave process, hardened as in production, with an engine that needs no model.</summary>
[Platform("Linux")]
public sealed class EnclaveSupervisorTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private EnclaveSupervisor _supervisor = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _supervisor = new EnclaveSupervisor(EnclaveTool.Options, TimeProvider.System, NullLogger<EnclaveSupervisor>.Instance);
        await _supervisor.StartAsync(CancellationToken.None);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _supervisor.StopAsync(CancellationToken.None);
        await _supervisor.DisposeAsync();
    }

    [Test]
    public async Task Child_EveryThread_HasTheFilterNoNewPrivilegesAndNoCapabilities()
    {
        EnclaveInfo info = await ReadyAsync();
        string[] threads = Directory.GetDirectories($"/proc/{info.ProcessId}/task");
        Assert.That(threads, Has.Length.GreaterThan(3));
        foreach (string thread in threads)
        {
            string[] status = await File.ReadAllLinesAsync(Path.Combine(thread, "status"));
            string Value(string name) => status.Single(l => l.StartsWith(name + ":", StringComparison.Ordinal))[(name.Length + 1)..].Trim();
            using (Assert.EnterMultipleScope())
            {
                Assert.That((Value("Seccomp"), Value("NoNewPrivs")), Is.EqualTo(("2", "1")), thread);

                // The one to read a model in a private folder, and only when root started it; without Landlock nothing could be dropped.
                foreach (string set in Landlock.Version > 0 ? (string[])["CapEff", "CapPrm", "CapInh", "CapAmb"] : [])
                {
                    Assert.That(ulong.Parse(Value(set), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & ~Capabilities.Kept, Is.Zero, $"{thread} {set}");
                }
            }

            string core = File.ReadLines(Path.Combine(thread, "limits")).Single(l => l.StartsWith("Max core", StringComparison.Ordinal));
            Assert.That(core.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4..6], Is.EqualTo(new[] { "0", "0" }), thread);
        }
    }

    [Test]
    public async Task Child_Memory_IsLocked()
    {
        EnclaveInfo info = await ReadyAsync();
        Assert.That(info.Protections.Items.Single(i => i.Name == "memlock").State, Is.EqualTo("on"));
        Assert.That(LockedKilobytes(info.ProcessId), Is.GreaterThan(0));
    }

    [Test]
    public async Task Child_Environment_IsClearedAndHasNoDiagnosticPort()
    {
        EnclaveInfo info = await ReadyAsync();
        string[] names = [.. (await File.ReadAllTextAsync($"/proc/{info.ProcessId}/environ")).Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(v => v.Split('=')[0])];
        Assert.That(names, Is.SubsetOf(new[]
        {
            "DOTNET_EnableDiagnostics", "DOTNET_GCHeapHardLimit", "DOTNET_GCgen0size", "DOTNET_gcConcurrent", "DOTNET_TieredCompilation", "DOTNET_ROOT", "COCOON_CRYPTO", "CUDA_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES",
        }));
        Assert.That(DiagnosticPorts("/tmp", info.ProcessId), Is.Empty);
        if (Environment.GetEnvironmentVariable("DOTNET_EnableDiagnostics") is null)
        {
            Assert.That(DiagnosticPorts(Path.GetTempPath(), Environment.ProcessId), Is.Not.Empty, "the same look finds that of this process");
        }
    }

    [TestCase("LD_PRELOAD=/nonexistent.so", "environment")]
    [TestCase("DOTNET_STARTUP_HOOKS=", "environment")]
    [TestCase("DOTNET_EnableDiagnostics=1", "diagnostics")]
    public async Task Child_StartedWithAVariableThatLoadsCode_MakesNoKeys(string variable, string protection)
    {
        await using EnclaveSupervisor supervisor = new(
            EnclaveTool.For(new byte[38], "/usr/bin/env", variable), TimeProvider.System, NullLogger<EnclaveSupervisor>.Instance);
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        supervisor.Changed += () =>
        {
            if (supervisor.Status == EnclaveStatus.Restarting)
            {
                ended.TrySetResult();
            }
        };
        await supervisor.StartAsync(CancellationToken.None);
        await ended.Task.WaitAsync(Patience);
        Assert.That(supervisor.LastFault, Is.EqualTo($"unprotected: not on: {protection}"));
        Assert.That(supervisor.Info, Is.Null);
    }

    [Test]
    public async Task Child_PrintsAndDies_NothingOfItReachesTheHost()
    {
        RecordingLogger<EnclaveSupervisor> log = new();
        using Ed25519PrivateKey peer = Ed25519PrivateKey.Generate();
        await using EnclaveSupervisor supervisor = new(EnclaveTool.For(PeerId.FromPublicKey(peer.PublicKey).ToArray()), TimeProvider.System, log);
        await supervisor.StartAsync(CancellationToken.None);
        EnclaveInfo info = await supervisor.WaitReadyAsync(CancellationToken.None).WaitAsync(Patience);
        await using ClientSession client = await ClientSession.OpenAsync(
            (hello, quote) => supervisor.OpenAsync(hello, quote, CancellationToken.None), peer, new ModelId(info.Ready.ModelId.Span),
            new Prices { Prompt = 1_000_000, Cached = 500_000, Completion = 3_000_000 }, 64, TimeProvider.System);
        await client.StartAsync(client.Seal(body: $$"""{"messages":[{"role":"user","content":"{{LoudEngine.LastWords}} canary-of-a-prompt"}]}"""));
        EnclaveEvent.Lost lost = await client.UntilAsync<EnclaveEvent.Lost>();
        await Eventually.TrueAsync(
            "the supervisor says that it aborted", () => log.Entries.Any(e => e.Contains("exit code 134", StringComparison.Ordinal)), Patience, CancellationToken.None);
        await supervisor.StopAsync(CancellationToken.None);
        Assert.That(lost.Reason, Does.Not.Contain("canary"));
        Assert.That(log.Entries, Has.None.Contain("canary-of-a-prompt"));
    }

    [Test]
    public async Task Child_Descriptors_AreNoSockets()
    {
        EnclaveInfo info = await ReadyAsync();
        // A descriptor may be closed between the listing and the look.
        IEnumerable<string> targets = Directory.GetFiles($"/proc/{info.ProcessId}/fd").Select(f => new FileInfo(f).LinkTarget).OfType<string>();
        Assert.That(targets, Has.None.Contain("socket:"));
    }

    [Test]
    public async Task Child_Protections_AreReportedOnAndInTheEvidence()
    {
        EnclaveInfo info = await ReadyAsync();
        Dictionary<string, string> states = info.Protections.Items.ToDictionary(i => i.Name, i => i.State);
        foreach (string name in new[] { "no_new_privs", "seccomp", "dumpable", "core", "pdeathsig", "output", "environment", "diagnostics" })
        {
            Assert.That(states.GetValueOrDefault(name), Is.EqualTo("on"), name);
        }

        Assert.That(states.Keys, Does.Contain("memlock").And.Contain("landlock").And.Contain("capabilities"));
        Assert.That(System.Text.Encoding.ASCII.GetString(info.Ready.EvidenceBundle.Span), Does.Contain("no_new_privs"));
        Assert.That((info.Ready.Tier, info.Ready.EvidenceKind), Is.EqualTo(("open", "simulated")));
    }

    [Test]
    public async Task Child_Rules_AreBoundInItsEvidenceAndShowWhatItsHostWeakened()
    {
        EnclavePolicy rules = Rules(await ReadyAsync(), out EnclaveBinding binding);
        Assert.That((rules.Profile, rules.MayRunUnprotected), Is.EqualTo((EnclavePolicy.Embedded, false)));
        Assert.That(rules.MissingProtections, Is.Empty);

        await using EnclaveSupervisor weakened = new(EnclaveTool.For(new byte[38], allowUnprotected: true), TimeProvider.System, NullLogger<EnclaveSupervisor>.Instance);
        await weakened.StartAsync(CancellationToken.None);
        EnclavePolicy weaker = Rules(await weakened.WaitReadyAsync(CancellationToken.None).WaitAsync(Patience), out EnclaveBinding other);
        Assert.That(weaker.MayRunUnprotected);
        Assert.That((weaker with { MayRunUnprotected = false }).Encode(), Is.EqualTo(rules.Encode()), "nothing else differs");
        Assert.That(other.PolicyDigest, Is.Not.EqualTo(binding.PolicyDigest));
    }

    [Test]
    public async Task SelfTest_InTheChild_EverythingIsBlocked()
    {
        await ReadyAsync();
        SelfTestReport report = await _supervisor.SelfTestAsync(CancellationToken.None).WaitAsync(Patience);
        string[] tried =
        [
            "tcp-socket", "udp-socket", "unix-socket", "execve", "ptrace", "process_vm_readv", "io_uring_setup", "unshare", "bpf", "set-dumpable", "clone3",
            .. Landlock.Version > 0 ? (string[])["file-outside", "folder-outside"] : [], "start-process", "tcp-socket-new-thread", "tcp-socket-old-thread",
        ];
        Assert.That(report.Checks.Select(c => c.Name), Is.EqualTo(tried));
        Assert.That(report.Checks.Where(c => !c.Blocked).Select(c => $"{c.Name}: {c.Detail}"), Is.Empty);
    }

    [Test]
    public void SelfTest_WithoutTheFilter_FindsThatNothingIsBlocked()
    {
        // Proves that the check can fail.
        SelfTestReport report = new SelfTester(isConfined: true).Run();
        foreach (string name in new[] { "tcp-socket", "tcp-socket-old-thread", "unix-socket", "start-process", "file-outside", "folder-outside" })
        {
            Assert.That(report.Checks.Single(c => c.Name == name).Blocked, Is.False, name);
        }
    }

    [Test]
    public async Task Child_Killed_IsReplacedAndItsSessionsAreLost()
    {
        await using EnclaveSupervisor supervisor = new(EnclaveTool.Options, TimeProvider.System, NullLogger<EnclaveSupervisor>.Instance);
        await supervisor.StartAsync(CancellationToken.None);
        EnclaveInfo first = await supervisor.WaitReadyAsync(CancellationToken.None).WaitAsync(Patience);
        using Ed25519PrivateKey peer = Ed25519PrivateKey.Generate();
        Hello hello = new()
        {
            Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)), Versions = { 1 }, ModelId = first.Ready.ModelId,
        };
        Quote quote = new() { HelloNonce = hello.Nonce, Prices = new Prices(), UnitTokens = 64, NotAfterMs = ulong.MaxValue };
        await using IEnclaveSession session =
            await supervisor.OpenAsync(hello.ToByteArray(), SignedRecords.SignQuote(peer, quote), CancellationToken.None).WaitAsync(Patience);
        TaskCompletionSource gone = new();
        supervisor.Changed += () =>
        {
            if (supervisor.Status != EnclaveStatus.Ready)
            {
                gone.TrySetResult();
            }
        };
        using (Process child = Process.GetProcessById(first.ProcessId))
        {
            child.Kill();
        }

        List<EnclaveEvent> events = [];
        await foreach (EnclaveEvent happened in session.ReadEventsAsync(CancellationToken.None))
        {
            events.Add(happened);
        }

        Assert.That(events.Single(), Is.InstanceOf<EnclaveEvent.Lost>());
        await gone.Task.WaitAsync(Patience);
        EnclaveInfo second = await supervisor.WaitReadyAsync(CancellationToken.None).WaitAsync(Patience);
        Assert.That(second.Boot, Is.EqualTo(first.Boot + 1));
        Assert.That(second.ProcessId, Is.Not.EqualTo(first.ProcessId));
        Assert.That(second.Ready.IdentityKey, Is.Not.EqualTo(first.Ready.IdentityKey));
    }

    [Test]
    public async Task Host_Killed_TakesTheChildWithIt()
    {
        using ToolProcess host = ToolProcess.Start(EnclaveTool.ParentVerb);
        int child = int.Parse((await host.ReadLineAsync(CancellationToken.None).WaitAsync(Patience))!, CultureInfo.InvariantCulture);
        using Process watched = Process.GetProcessById(child);
        await host.KillHostOnlyAsync(CancellationToken.None);
        Assert.That(async () => await watched.WaitForExitAsync(CancellationToken.None).WaitAsync(Patience), Throws.Nothing);
    }

    [Test]
    public async Task Host_Killed_TakesAFrozenChildWithIt()
    {
        // One that stands still cannot see its input end: only the parent-death signal is left.
        using ToolProcess host = ToolProcess.Start(EnclaveTool.ParentVerb);
        int child = int.Parse((await host.ReadLineAsync(CancellationToken.None).WaitAsync(Patience))!, CultureInfo.InvariantCulture);
        using Process watched = Process.GetProcessById(child);
        Signals.Freeze(child);
        await host.KillHostOnlyAsync(CancellationToken.None);
        Assert.That(async () => await watched.WaitForExitAsync(CancellationToken.None).WaitAsync(Patience), Throws.Nothing);
    }

    [Test]
    public async Task Child_OfAnOrdinaryUser_IsNotReadableByThatUser()
    {
        if (OrdinaryUser.Find() is not { } user)
        {
            Assert.Ignore("setpriv (util-linux) is missing");
            return;
        }

        using ToolProcess host = ToolProcess.StartWith(user.Prefix, EnclaveTool.ParentVerb);
        if (await host.ReadLineAsync(CancellationToken.None).WaitAsync(Patience) is not { } line)
        {
            Assert.Ignore("an ordinary user cannot run the tests' folder here");
            return;
        }

        int child = int.Parse(line, CultureInfo.InvariantCulture);
        Assert.That(LockedKilobytes(child), Is.GreaterThan(0), "key pages at least");
        Assert.That(Owner(child), Is.EqualTo("0"), "the kernel gives the files of a process that is not dumpable to root");
        Assert.That(File.ReadAllLines($"/proc/{child}/status"), Does.Contain("CapEff:\t0000000000000000"));
        foreach (string file in new[] { "mem", "maps", "environ" })
        {
            Assert.That(await host.ReadLineAsync(CancellationToken.None).WaitAsync(Patience), Is.EqualTo($"{file} denied"));
        }
    }

    private static EnclavePolicy Rules(EnclaveInfo info, out EnclaveBinding binding)
    {
        EvidenceBundle bundle = EvidenceBundle.Decode(info.Ready.EvidenceBundle.Span);
        binding = EnclaveBinding.Decode(bundle.Binding.AsSpan());
        Assert.That(EnclavePolicy.TryDecode(bundle.EnclavePolicy.AsSpan(), out EnclavePolicy? rules));
        Assert.That(binding.PolicyDigest, Is.EqualTo(EnclavePolicy.Digest(bundle.EnclavePolicy.AsSpan())));
        return rules!;
    }

    private static long LockedKilobytes(int processId) => long.Parse(
        File.ReadLines($"/proc/{processId}/status").Single(l => l.StartsWith("VmLck:", StringComparison.Ordinal)).Split(' ', '\t')[^2], CultureInfo.InvariantCulture);

    /// <summary>By process id and start: those of killed processes stay, and ids come again.</summary>
    private static string[] DiagnosticPorts(string folder, int processId)
    {
        string stat = File.ReadAllText($"/proc/{processId}/stat");
        string started = stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19];
        return Directory.GetFiles(folder, $"dotnet-diagnostic-{processId}-{started}-*");
    }

    private static string Owner(int processId)
    {
        using Process stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%u", $"/proc/{processId}/mem"]) { RedirectStandardOutput = true })!;
        return stat.StandardOutput.ReadToEnd().Trim();
    }

    private Task<EnclaveInfo> ReadyAsync() => _supervisor.WaitReadyAsync(CancellationToken.None).WaitAsync(Patience);
}
