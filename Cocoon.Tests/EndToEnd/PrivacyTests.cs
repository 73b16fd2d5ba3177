using System.Security.Cryptography;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>
/// The promise that everything else is built around, on a running demo: what was asked and answered is nowhere on the provider's host
/// outside of the enclave. The same search on the same demo with its sealing off finds both.
/// </summary>
public sealed class PrivacyTests
{
    [Test, CancelAfter(120_000)]
    public async Task Canary_OnARunningDemo_IsNowhereOnTheProvidersHost(CancellationToken cancellationToken)
    {
        OrdinaryUser user = UserOrIgnore();
        await using CanaryRun run = await CanaryRun.StartAsync(user, demoProgram: null, CocoonProgram.Command, cancellationToken);
        CanaryFindings found = await run.AskAndSearchAsync(cancellationToken);
        await TestContext.Out.WriteLineAsync(
            $"searched: {found.During.Searched >> 20} and {found.Memory.Searched >> 20} MiB of memory, {found.Files.Searched >> 10} KiB of files, "
            + $"{found.Logs.Searched} bytes of logs, {found.Sent.Searched} bytes sent, {found.Received.Searched} bytes received");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.DemoAnswer, Does.Contain(run.Answer));
            Assert.That(found.Error, Is.Empty);
            Assert.That(found.Body, Does.Contain(run.Answer));
            Assert.That(found.Before.Found, Is.Empty, "memory after the demo's own question");
            Assert.That(found.During.Found, Is.Empty, "memory while answering");
            Assert.That(found.Memory.Found, Is.Empty, "memory afterwards");
            Assert.That(found.Files.Found, Is.Empty, "data directories and chain");
            Assert.That(found.Logs.Found, Is.Empty, "logs");
            Assert.That(found.Sent.Found, Is.Empty, "what it sent");
            Assert.That(found.Received.Found, Is.Empty, "what it was sent");
            Assert.That(found.Client.Found, Has.Some.StartsWith("question").And.Some.StartsWith("answer"), "the same search finds both in the client");
            Assert.That(found.During.Searched, Is.GreaterThan(16 << 20), "the node's memory was really read");
            Assert.That(found.Memory.Searched, Is.GreaterThan(3 * (16 << 20)), "that of all three");
            Assert.That(found.Files.Searched, Is.GreaterThan(0));
            Assert.That(found.Logs.Searched, Is.GreaterThan(0));
            Assert.That(found.Sent.Searched, Is.GreaterThan(found.Body.Length), "the answers passed the tap");
            Assert.That(found.Received.Searched, Is.GreaterThan(0));
        }

        await AssertOnlyTheEnclaveIsClosedToItsUserAsync(run, user, cancellationToken);
    }

    [Test, CancelAfter(120_000)]
    public async Task Canary_OnADemoWithItsSealingOff_IsFoundByTheSameSearch(CancellationToken cancellationToken)
    {
        await using CanaryRun run = await CanaryRun.StartAsync(UserOrIgnore(), UnsealedProgram.DotNetArguments, UnsealedProgram.Command, cancellationToken);
        CanaryFindings found = await run.AskAndSearchAsync(cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found.Error, Is.Empty);
            Assert.That(found.Body, Does.Contain(run.Answer));
            Assert.That(run.DemoAnswer, Does.Contain(run.Answer));
            Assert.That(found.Before.Found, Has.Some.StartsWith("demo's question").And.Some.StartsWith("answer"), "memory after the demo's own question");
            Assert.That(found.Before.Found, Has.None.StartsWith("question"), "which was not asked yet");
            Assert.That(found.During.Found, Has.Some.StartsWith("question"), "memory while answering");
            Assert.That(found.Memory.Found, Has.Some.StartsWith("question").And.Some.StartsWith("answer"), "memory afterwards");
            Assert.That(found.Received.Found, Has.Some.StartsWith("question"), "what it was sent");
            Assert.That(found.Sent.Found, Has.Some.StartsWith("answer"), "what it sent");
        }
    }

    [TestCase("utf-8"), TestCase("utf-16"), TestCase("hex"), TestCase("base64")]
    public void Search_TextInAnyForm_IsFound(string form)
    {
        string canary = NewCanary();
        string text = "before " + canary + " after";
        byte[] data = form switch
        {
            "utf-8" => System.Text.Encoding.UTF8.GetBytes(text),
            "utf-16" => System.Text.Encoding.Unicode.GetBytes(text),
            "hex" => System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(System.Text.Encoding.UTF8.GetBytes(text))),
            _ => System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(text))),
        };
        Assert.That(ByteSearch.Bytes(data, "here", SearchPattern.FormsOf(canary)).Found, Is.Not.Empty);
        Assert.That(ByteSearch.Bytes(data, "here", SearchPattern.FormsOf(NewCanary())).Found, Is.Empty);
    }

    /// <summary>Node and enclave are processes of one user: that user can search the first and not the second.</summary>
    private static async Task AssertOnlyTheEnclaveIsClosedToItsUserAsync(CanaryRun run, OrdinaryUser user, CancellationToken cancellationToken)
    {
        int enclave = await run.EnclaveIdAsync(cancellationToken);
        Assert.That(await MemorySearchTool.RunAsync(user, enclave, run.Question, cancellationToken), Is.EqualTo(MemorySearchTool.Denied));
        if (MayTraceOwnProcesses())
        {
            Assert.That(await MemorySearchTool.RunAsync(user, run.Provider.ProcessId, run.Question, cancellationToken), Does.EndWith("bytes, 0 places"));
        }
    }

    /// <summary>Yama may keep a user from tracing own processes that are no children.</summary>
    private static bool MayTraceOwnProcesses()
    {
        const string scope = "/proc/sys/kernel/yama/ptrace_scope";
        return !File.Exists(scope) || File.ReadAllText(scope).Trim() == "0";
    }

    private static OrdinaryUser UserOrIgnore()
    {
        if (Environment.UserName != "root" && !MayTraceOwnProcesses())
        {
            Assert.Ignore("kernel.yama.ptrace_scope keeps this user from reading the memory of processes that are no children");
        }

        if (OrdinaryUser.Find() is { } user)
        {
            return user;
        }

        Assert.Ignore("setpriv (util-linux) is missing");
        throw new InvalidOperationException();
    }

    private static string NewCanary() => RandomNumberGenerator.GetString("abcdefghijkmnpqrstuvwxyz23456789", 32);
}
