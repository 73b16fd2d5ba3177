using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
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
    public async Task Child_EveryThread_HasTheFilterAndNoNewPrivileges()
    {
        EnclaveInfo info = await ReadyAsync();
        string[] threads = Directory.GetDirectories($"/proc/{info.ProcessId}/task");
        Assert.That(threads, Has.Length.GreaterThan(3));
        foreach (string thread in threads)
        {
            string status = await File.ReadAllTextAsync(Path.Combine(thread, "status"));
            Assert.That(status, Does.Contain("Seccomp:\t2").And.Contain("NoNewPrivs:\t1"), thread);
        }

        string core = File.ReadLines($"/proc/{info.ProcessId}/limits").Single(l => l.StartsWith("Max core", StringComparison.Ordinal));
        Assert.That(core.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4..6], Is.EqualTo(new[] { "0", "0" }));
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
        foreach (string name in new[] { "no_new_privs", "seccomp", "dumpable", "core", "pdeathsig", "environment", "diagnostics" })
        {
            Assert.That(states.GetValueOrDefault(name), Is.EqualTo("on"), name);
        }

        Assert.That(states.Keys, Does.Contain("memlock").And.Contain("landlock"));
        Assert.That(System.Text.Encoding.ASCII.GetString(info.Ready.EvidenceBundle.Span), Does.Contain("no_new_privs"));
        Assert.That((info.Ready.Tier, info.Ready.EvidenceKind), Is.EqualTo(("open", "simulated")));
    }

    [Test]
    public async Task SelfTest_InTheChild_EverythingIsBlocked()
    {
        await ReadyAsync();
        SelfTestReport report = await _supervisor.SelfTestAsync(CancellationToken.None).WaitAsync(Patience);
        Assert.That(report.Checks.Select(c => c.Name), Does.Contain("tcp-socket-old-thread").And.Contain("io_uring_setup").And.Contain("start-process"));
        Assert.That(report.Checks.Where(c => !c.Blocked).Select(c => $"{c.Name}: {c.Detail}"), Is.Empty);
    }

    [Test]
    public void SelfTest_WithoutTheFilter_FindsThatNothingIsBlocked()
    {
        // Proves that the check can fail.
        SelfTestReport report = new Cocoon.Enclave.Hardening.SelfTester().Run();
        Assert.That(report.Checks.Single(c => c.Name == "tcp-socket").Blocked, Is.False);
        Assert.That(report.Checks.Single(c => c.Name == "tcp-socket-old-thread").Blocked, Is.False);
        Assert.That(report.Checks.Single(c => c.Name == "start-process").Blocked, Is.False);
    }

    [Test]
    public async Task Child_Killed_IsReplacedAndItsSessionsAreLost()
    {
        await using EnclaveSupervisor supervisor = new(EnclaveTool.Options, TimeProvider.System, NullLogger<EnclaveSupervisor>.Instance);
        await supervisor.StartAsync(CancellationToken.None);
        EnclaveInfo first = await supervisor.WaitReadyAsync(CancellationToken.None).WaitAsync(Patience);
        using Cocoon.Protocol.Cryptography.Ed25519PrivateKey peer = Cocoon.Protocol.Cryptography.Ed25519PrivateKey.Generate();
        Hello hello = new()
        {
            Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)), Versions = { 1 }, ModelId = first.Ready.ModelId,
        };
        Quote quote = new() { HelloNonce = hello.Nonce, Prices = new Prices(), NotAfterMs = ulong.MaxValue };
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
    public async Task Child_OfAnOrdinaryUser_IsNotReadableByThatUser()
    {
        string[] prefix = [];
        if (Environment.UserName == "root")
        {
            prefix = ["/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
            if (!File.Exists(prefix[0]))
            {
                Assert.Ignore("setpriv (util-linux) is missing");
            }
        }

        using ToolProcess host = ToolProcess.StartWith(prefix, EnclaveTool.ParentVerb);
        if (await host.ReadLineAsync(CancellationToken.None).WaitAsync(Patience) is null)
        {
            Assert.Ignore("an ordinary user cannot run the tests' folder here");
        }

        foreach (string file in new[] { "mem", "maps", "environ" })
        {
            Assert.That(await host.ReadLineAsync(CancellationToken.None).WaitAsync(Patience), Is.EqualTo($"{file} denied"));
        }
    }

    private Task<EnclaveInfo> ReadyAsync() => _supervisor.WaitReadyAsync(CancellationToken.None).WaitAsync(Patience);
}
