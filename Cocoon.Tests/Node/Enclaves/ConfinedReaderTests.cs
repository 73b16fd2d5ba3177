using System.Diagnostics;
using Cocoon.Node.Enclaves;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Enclaves;

/// <summary>A child that reads a stranger's file may be the stranger's by the time it prints.</summary>
[Platform("Linux"), CancelAfter(60_000)]
public sealed class ConfinedReaderTests
{
    [Test]
    public async Task Document_OfAnOrdinaryChild_IsReadWhole(CancellationToken cancellationToken) =>
        Assert.That(await ConfinedReader.ReadAsync(Shell("printf '{}'"), cancellationToken), Is.EqualTo("{}"));

    [Test]
    public async Task Document_LargerThanTheLimit_IsNoneAndTheChildIsKilled(CancellationToken cancellationToken) =>
        Assert.That(await ConfinedReader.ReadAsync(Shell("exec yes"), cancellationToken), Is.Empty);

    [Test]
    public async Task Errors_WithoutEnd_AreDroppedAndDoNotBlockTheChild(CancellationToken cancellationToken) =>
        Assert.That(await ConfinedReader.ReadAsync(Shell("yes | head -c 8000000 >&2; printf '{}'"), cancellationToken), Is.EqualTo("{}"));

    [Test]
    public void Child_WhenCancelled_IsKilled()
    {
        using CancellationTokenSource stop = new();
        Task<string> reading = ConfinedReader.ReadAsync(Shell("exec sleep 600"), stop.Token);
        stop.Cancel();
        Assert.That(async () => await reading, Throws.InstanceOf<OperationCanceledException>());
    }

    private static ProcessStartInfo Shell(string script) => new("/bin/sh", ["-c", script])
    {
        UseShellExecute = false,
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };
}
