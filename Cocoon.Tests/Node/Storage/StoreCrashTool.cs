using System.Globalization;
using Cocoon.Node.Storage;

namespace Cocoon.Tests.Node.Storage;

/// <summary>Verb <c>store-crash DIR</c>: raises one total from several writers for ever, and prints each value once it is durable.</summary>
internal static class StoreCrashTool
{
    public const string Verb = "store-crash";

    public static async Task<int> RunAsync(string path)
    {
        using DataDirectory directory = DataDirectory.Open(path);
        await using CocoonDatabase database = CocoonDatabase.Open(directory.DatabasePath);
        long next = Read(database);
        Lock gate = new();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (true)
            {
                long value = Interlocked.Increment(ref next);
                await database.WriteAsync(
                    session => session.Execute(
                        "INSERT INTO meta VALUES ('total', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE excluded.value > value", value),
                    CancellationToken.None);
                lock (gate)
                {
                    Console.Out.WriteLine(value.ToString(CultureInfo.InvariantCulture));
                    Console.Out.Flush();
                }
            }
        })));
        return 0;
    }

    public static long Read(CocoonDatabase database) =>
        database.Read(session => session.QueryFirst("SELECT value FROM meta WHERE key = 'total'", row => row.GetInt64(0)));
}
