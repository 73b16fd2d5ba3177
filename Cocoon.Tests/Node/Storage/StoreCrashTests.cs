using System.Globalization;
using Cocoon.Node.Storage;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Storage;

internal sealed class StoreCrashTests
{
    /// <summary>What was answered as durable is there after SIGKILL, whenever it comes, and the directory can be opened at once.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Database_KilledWhileWriting_KeepsAllThatWasAnswered(CancellationToken cancellationToken)
    {
        using TemporaryDirectory directory = new();
        foreach (int lines in new[] { 1, 40, 400 })
        {
            long answered = 0;
            using (ToolProcess child = ToolProcess.Start(StoreCrashTool.Verb, directory.Path))
            {
                for (int i = 0; i < lines; i++)
                {
                    answered = Math.Max(answered, Parse(await child.ReadLineAsync(cancellationToken)));
                }

                await child.KillAsync(cancellationToken);
                while (await child.ReadLineAsync(cancellationToken) is { } line)
                {
                    answered = Math.Max(answered, Parse(line));
                }
            }

            using DataDirectory data = DataDirectory.Open(directory.Path);
            await using CocoonDatabase database = CocoonDatabase.Open(data.DatabasePath);
            Assert.That(StoreCrashTool.Read(database), Is.GreaterThanOrEqualTo(answered));
        }
    }

    // The last line may be cut by the kill.
    private static long Parse(string? line) =>
        long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : 0;
}
