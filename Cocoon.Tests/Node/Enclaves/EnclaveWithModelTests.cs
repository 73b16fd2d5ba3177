using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Cocoon.Node.Cli;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Inference;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Enclave.Sessions;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Enclaves;

/// <summary>The product's own enclave process with llama.cpp and a generated model, all protections on.</summary>
[Platform("Linux")]
public sealed class EnclaveWithModelTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Ed25519PrivateKey _peerKey = Ed25519PrivateKey.Generate();
    private readonly Prices _prices = new() { Prompt = 40_000_000, Cached = 10_000_000, Completion = 160_000_000 };
    private EnclaveSupervisor _supervisor = null!;
    private EnclaveInfo _info = null!;
    private string? _natives;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        if (NativesFolder.Find() is not { } natives)
        {
            Assert.Ignore("the llama.cpp libraries are missing (scripts/setup)");
            return;
        }

        _natives = natives;
        _supervisor = new EnclaveSupervisor(Options(TestModel.Ensure()), TimeProvider.System, NullLogger<EnclaveSupervisor>.Instance);
        await _supervisor.StartAsync(CancellationToken.None);
        _info = await _supervisor.WaitReadyAsync(CancellationToken.None).WaitAsync(Patience);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_supervisor is not null)
        {
            await _supervisor.DisposeAsync();
        }

        _peerKey.Dispose();
    }

    [Test]
    public async Task Chat_ThroughTheProcess_StreamsTheModelsSentence()
    {
        await using ClientSession client = await OpenAsync();
        await client.StartAsync(client.Seal(body: """{"messages":[{"role":"user","content":"Cocoon"}],"temperature":0,"max_tokens":40}"""));
        EnclaveEvent.Ended ended = await client.FinishAsync();
        Assert.That(client.Answers.Where(a => a.Failed is not null), Is.Empty);
        Assert.That(ended.Outcome, Is.EqualTo("finished"));
        Assert.That(client.Text, Is.Not.Empty);
        Usage usage = client.Answers.Single(a => a.Finished is not null).Finished.Usage;
        Assert.That(client.Answers.Where(a => a.Delta is not null).Sum(a => a.Delta.TokenIds.Count), Is.EqualTo(usage.CompletionTokens));
        Assert.That(client.IsComplete);
    }

    [Test]
    public async Task Chat_TwoAtOnceOneUnpaid_TheOtherFinishes()
    {
        await using ClientSession poor = await OpenAsync();
        await poor.StartAsync(poor.Seal(), upToDue: 0);
        EnclaveEvent.Metered blocked = await poor.UntilAsync<EnclaveEvent.Metered>(m => m.IsBlocked);
        await using ClientSession rich = await OpenAsync();
        await rich.StartAsync(rich.Seal());
        Assert.That((await rich.FinishAsync()).Outcome, Is.EqualTo("finished"));
        await poor.Host.AllowAsync(blocked.DueNanoton + 1_000_000_000, CancellationToken.None);
        Assert.That((await poor.FinishAsync()).Outcome, Is.EqualTo("finished"));
    }

    /// <summary>Ctrl-C and a service manager reach every process of a node at once: the node lets answers end, and then ends its enclaves.</summary>
    [Test]
    public async Task Signals_ToTheWholeNode_LeaveTheEnclaveServing()
    {
        await using ClientSession running = await OpenAsync();
        await running.StartAsync(running.Seal(), upToDue: 0);
        EnclaveEvent.Metered blocked = await running.UntilAsync<EnclaveEvent.Metered>(m => m.IsBlocked);
        Signals.SendInterrupt((int)_info.ProcessId);
        Signals.SendTerminate((int)_info.ProcessId);
        await using ClientSession later = await OpenAsync();
        await later.StartAsync(later.Seal());
        Assert.That((await later.FinishAsync()).Outcome, Is.EqualTo("finished"));
        await running.Host.AllowAsync(blocked.DueNanoton + 1_000_000_000, CancellationToken.None);
        Assert.That((await running.FinishAsync()).Outcome, Is.EqualTo("finished"));
        Assert.That((_supervisor.Status, _supervisor.Info?.ProcessId), Is.EqualTo((EnclaveStatus.Ready, _info.ProcessId)));
    }

    [Test]
    public async Task SelfTest_WithTheModelLoaded_EverythingIsBlocked()
    {
        Cocoon.Protocol.Enclaves.Proto.SelfTestReport report = await _supervisor.SelfTestAsync(CancellationToken.None).WaitAsync(Patience);
        Assert.That(report.Checks.Where(c => !c.Blocked), Is.Empty);
        foreach (string thread in Directory.GetDirectories($"/proc/{_info.ProcessId}/task"))
        {
            Assert.That(await File.ReadAllTextAsync(Path.Combine(thread, "status")), Does.Contain("Seccomp:\t2").And.Contain("NoNewPrivs:\t1"));
        }
    }

    /// <summary>What a person was talked into serving: files that lie where llama.cpp or our own reader would believe them.</summary>
    [TestCase("no heads", "llama.attention.head_count", 0u, "could not load hostile.gguf")]
    [TestCase("more heads than there is room for", "llama.attention.head_count", 0xFFFF_FFFFu, "llama.attention.head_count is 4294967295")]
    [TestCase("more layers than there are", "llama.block_count", 0x7FFF_FFFFu, "llama.block_count is 2147483647")]
    [TestCase("a vocabulary without its end", "tokenizer.ggml.eos_token_id", 0xFFFF_FFFEu, "tokenizer.ggml.eos_token_id names a token that is not in the vocabulary")]
    public async Task Model_ThatLies_IsRefusedInWordsAndCostsItsChildOnly(string what, string key, uint value, string word)
    {
        using Storage.TemporaryDirectory folder = new();
        byte[] file = await File.ReadAllBytesAsync(TestModel.Ensure());
        int at = file.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(key)) + key.Length + sizeof(uint);
        BitConverter.TryWriteBytes(file.AsSpan(at), value);
        string path = folder.File("hostile.gguf");
        await File.WriteAllBytesAsync(path, file);
        await using EnclaveSupervisor supervisor = new(Options(path), TimeProvider.System, NullLogger<EnclaveSupervisor>.Instance);
        await RunUntilItEndsAsync(supervisor);
        Assert.That(supervisor.Status, Is.EqualTo(EnclaveStatus.Restarting), what);
        Assert.That(supervisor.LastFault, Does.Contain(word));

        // Another model's enclave beside it goes on.
        await using ClientSession client = await OpenAsync();
        await client.StartAsync(client.Seal());
        Assert.That((await client.FinishAsync()).Outcome, Is.EqualTo("finished"));
    }

    /// <summary>A file of the store whose bytes have changed since.</summary>
    [Test]
    public async Task Model_WithAnotherIdThanItWasStoredWith_IsNeverReady()
    {
        string stored = new('5', 64);
        await using EnclaveSupervisor supervisor = new(Options(TestModel.Ensure(), stored), TimeProvider.System, NullLogger<EnclaveSupervisor>.Instance);
        await RunUntilItEndsAsync(supervisor);
        Assert.That((supervisor.Status, supervisor.Info), Is.EqualTo((EnclaveStatus.Restarting, (EnclaveInfo?)null)));
        Assert.That(supervisor.LastFault, Does.Contain("damaged").And.Contain(stored[..16]).And.Contain(Convert.ToHexStringLower(_info.Ready.ModelId.Span)[..16]));
    }

    private static async Task RunUntilItEndsAsync(EnclaveSupervisor supervisor)
    {
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        supervisor.Changed += () =>
        {
            if (supervisor.Status is EnclaveStatus.Restarting or EnclaveStatus.Ready)
            {
                ended.TrySetResult();
            }
        };
        await supervisor.StartAsync(CancellationToken.None);
        await ended.Task.WaitAsync(Patience);
    }

    private EnclaveSupervisorOptions Options(string model, string? storedId = null) => new()
    {
        ModelPath = model,
        ExpectedModelId = storedId,
        PeerId = PeerId.FromPublicKey(_peerKey.PublicKey).ToArray(),
        Slots = 2,
        ContextTokens = 256,
        Threads = 1,
        NativesPath = _natives,
        FirstBackoff = TimeSpan.FromMinutes(10),
        Command =
        [
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "/usr/bin/dotnet",
            "exec",
            typeof(EnclaveCommand).Assembly.Location,
            EnclaveCommand.Name,
        ],
    };

    private Task<ClientSession> OpenAsync() => ClientSession.OpenAsync(
        (hello, quote) => _supervisor.OpenAsync(hello, quote, CancellationToken.None),
        _peerKey,
        new ModelId(_info.Ready.ModelId.Span),
        _prices,
        64,
        TimeProvider.System);
}
