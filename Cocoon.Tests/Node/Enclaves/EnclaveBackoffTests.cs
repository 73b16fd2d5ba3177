using System.Globalization;
using Cocoon.Node.Enclaves;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Enclaves;

/// <summary>How often a child that ends at once is started again, on a clock that the test moves.</summary>
[Platform("Linux")]
public sealed class EnclaveBackoffTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private ManualTimeProvider _time = null!;
    private RecordingLogger<EnclaveSupervisor> _log = null!;

    [SetUp]
    public void SetUp() => (_time, _log) = (new ManualTimeProvider(), new RecordingLogger<EnclaveSupervisor>());

    [Test, CancelAfter(90_000)]
    public async Task Child_EndsAtOnce_IsStartedEverMoreSeldomUpToAMinute(CancellationToken cancellationToken)
    {
        await using EnclaveSupervisor supervisor = Supervise("exit 71");
        await supervisor.StartAsync(cancellationToken);
        foreach (int seconds in (int[])[1, 2, 4, 8, 16, 32, 60, 60])
        {
            Assert.That(await NextBackoffAsync(cancellationToken), Is.EqualTo(TimeSpan.FromSeconds(seconds)));
            _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromTicks(1));
            Assert.That(supervisor.Status, Is.EqualTo(EnclaveStatus.Restarting), "not before its time");
            Assert.That(_log.Entries, Is.Empty);
            _time.Advance(TimeSpan.FromTicks(1));
        }

        await supervisor.StopAsync(cancellationToken);
    }

    [Test, CancelAfter(90_000)]
    public async Task Child_ThatHeldOutForAWhile_IsStartedSoonAgain(CancellationToken cancellationToken)
    {
        using Storage.TemporaryDirectory folder = new();
        string flag = folder.File("stay");
        await using EnclaveSupervisor supervisor = Supervise($"if test -e {flag}; then exec sleep 600; fi; exit 71");
        await supervisor.StartAsync(cancellationToken);
        Assert.That(await NextBackoffAsync(cancellationToken), Is.EqualTo(TimeSpan.FromSeconds(1)));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(await NextBackoffAsync(cancellationToken), Is.EqualTo(TimeSpan.FromSeconds(2)));
        await File.WriteAllTextAsync(flag, "", cancellationToken);
        _time.Advance(TimeSpan.FromSeconds(2));

        // The next one stays and never gets ready: it is given up after its time, and killed after the one to stop.
        await ArmedAsync(cancellationToken);
        _time.Advance(new EnclaveSupervisorOptions { ModelPath = "", PeerId = default }.StartTimeout);
        await ArmedAsync(cancellationToken);
        _time.Advance(new EnclaveSupervisorOptions { ModelPath = "", PeerId = default }.StopTimeout);
        Assert.That(await NextBackoffAsync(cancellationToken), Is.EqualTo(TimeSpan.FromSeconds(1)));
        await supervisor.StopAsync(cancellationToken);
    }

    /// <summary>Its configuration is more than a pipe holds, so that writing it takes as long as the child likes.</summary>
    [Test, CancelAfter(90_000)]
    public async Task Child_ThatReadsNothing_IsGivenUpAfterItsTime(CancellationToken cancellationToken)
    {
        await using EnclaveSupervisor supervisor = Supervise("exec sleep 600", modelName: new string('m', 1 << 20));
        await supervisor.StartAsync(cancellationToken);
        await ArmedAsync(cancellationToken);
        _time.Advance(new EnclaveSupervisorOptions { ModelPath = "", PeerId = default }.StartTimeout);
        await ArmedAsync(cancellationToken);
        _time.Advance(new EnclaveSupervisorOptions { ModelPath = "", PeerId = default }.StopTimeout);
        Assert.That(await NextBackoffAsync(cancellationToken), Is.EqualTo(TimeSpan.FromSeconds(1)));
        Assert.That(supervisor.LastFault, Does.StartWith("not ready in time"));
        await supervisor.StopAsync(cancellationToken);
    }

    [Test, CancelAfter(90_000)]
    public async Task Stop_WhileAChildReadsNothing_KillsItAfterItsTime(CancellationToken cancellationToken)
    {
        await using EnclaveSupervisor supervisor = Supervise("exec sleep 600", modelName: new string('m', 1 << 20));
        await supervisor.StartAsync(cancellationToken);
        await ArmedAsync(cancellationToken);
        Task stopped = supervisor.StopAsync(cancellationToken);
        await _time.AdvanceUntilAsync(stopped, cancellationToken);
        Assert.That(supervisor.Status, Is.EqualTo(EnclaveStatus.Stopped));
    }

    private EnclaveSupervisor Supervise(string script, string modelName = "") => new(
        new EnclaveSupervisorOptions
        {
            ModelPath = "/usr/share/none.gguf", ModelName = modelName, PeerId = new byte[38], Command = ["/bin/sh", "-c", script, "enclave"],
        },
        _time, _log);

    /// <summary>The wait before the next start, once it runs.</summary>
    private async Task<TimeSpan> NextBackoffAsync(CancellationToken cancellationToken)
    {
        const string said = "tried again in ";
        string entry = await Eventually.GetAsync(
            "the child's end is logged", () => Task.FromResult(_log.Entries.TryDequeue(out string? next) ? next : null), Patience, cancellationToken);
        await ArmedAsync(cancellationToken);
        Assert.That(entry, Does.Contain(said).And.EndsWith(" s"));
        return TimeSpan.FromSeconds(int.Parse(entry[(entry.IndexOf(said, StringComparison.Ordinal) + said.Length)..^2], CultureInfo.InvariantCulture));
    }

    private Task ArmedAsync(CancellationToken cancellationToken) =>
        Eventually.TrueAsync("something waits for the clock", () => _time.ArmedTimers > 0, Patience, cancellationToken);
}
