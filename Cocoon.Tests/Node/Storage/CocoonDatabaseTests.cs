using Cocoon.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Storage;

[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
internal sealed class CocoonDatabaseTests
{
    private static readonly string[] Counter = ["CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)"];

    [Test]
    public async Task WriteAsync_ManyAtOnce_ShareCommits()
    {
        using TemporaryDirectory directory = new();
        await using CocoonDatabase database = CocoonDatabase.Open(directory.File("t.db"), Counter);
        Task[] writes = Enumerable.Range(0, 500)
            .Select(i => database.WriteAsync(session => session.Execute("INSERT INTO counter VALUES ($1, $2)", i, i), CancellationToken.None))
            .ToArray();
        await Task.WhenAll(writes);
        Assert.That(Count(database), Is.EqualTo(500));
        Assert.That(database.Commits, Is.LessThan(250));
    }

    [Test]
    public async Task WriteAsync_OneThrows_OthersOfTheBatchAreKept()
    {
        using TemporaryDirectory directory = new();
        await using CocoonDatabase database = CocoonDatabase.Open(directory.File("t.db"), Counter);
        Task<int>[] writes = Enumerable.Range(0, 20)
            .Select(i => database.WriteAsync(
                session =>
                {
                    int rows = session.Execute("INSERT INTO counter VALUES ($1, $2)", i, i);
                    return i == 7 ? throw new InvalidOperationException("seven") : rows;
                },
                CancellationToken.None))
            .ToArray();
        await Assert.ThrowsAsync<InvalidOperationException>(() => writes[7]);
        await Task.WhenAll(writes.Where((_, i) => i != 7));
        Assert.That(Count(database), Is.EqualTo(19));
    }

    [Test]
    public async Task Open_ExistingDatabase_RunsOnlyMissingMigrations()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("t.db");
        await using (CocoonDatabase first = CocoonDatabase.Open(path, Counter))
        {
            await first.WriteAsync(session => session.Execute("INSERT INTO counter VALUES (1, 1)"), CancellationToken.None);
        }

        string[] longer = [.. Counter, "ALTER TABLE counter ADD COLUMN note TEXT NOT NULL DEFAULT 'new'"];
        await using (CocoonDatabase second = CocoonDatabase.Open(path, longer))
        {
            Assert.That(second.Read(s => s.QueryFirst("SELECT note FROM counter", row => row.GetString(0))), Is.EqualTo("new"));
        }

        StorageException? refused = Assert.Throws<StorageException>(() => CocoonDatabase.Open(path, Counter));
        Assert.That(refused!.Code, Is.EqualTo(StorageErrorCode.NewerSchema));
    }

    [Test]
    public void Open_FileOfAnotherProgram_IsRefusedAndUntouched()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("t.db");
        File.WriteAllText(path, "not a database at all, and long enough to be sure about it");
        StorageException? refused = Assert.Throws<StorageException>(() => CocoonDatabase.Open(path, Counter));
        Assert.That(refused!.Code, Is.EqualTo(StorageErrorCode.Foreign));
        Assert.That(File.ReadAllText(path), Does.StartWith("not a database"));
    }

    [Test]
    public async Task Open_RealSchema_FilesArePrivate()
    {
        using TemporaryDirectory directory = new();
        using DataDirectory data = DataDirectory.Open(directory.File("node"));
        await using CocoonDatabase database = CocoonDatabase.Open(data.DatabasePath);
        await database.WriteAsync(session => session.Execute("INSERT INTO meta VALUES ($1, $2)", "k", new byte[] { 1 }), CancellationToken.None);
        foreach (string file in Directory.EnumerateFiles(data.Path))
        {
            Assert.That(File.GetUnixFileMode(file), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite), file);
        }

        Assert.That(
            File.GetUnixFileMode(data.Path),
            Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute));
    }

    [Test]
    public void DataDirectory_OpenedTwice_IsRefused()
    {
        using TemporaryDirectory directory = new();
        using (DataDirectory.Open(directory.Path))
        {
            StorageException? refused = Assert.Throws<StorageException>(() => DataDirectory.Open(directory.Path));
            Assert.That(refused!.Code, Is.EqualTo(StorageErrorCode.InUse));
        }

        DataDirectory.Open(directory.Path).Dispose();
    }

    [Test]
    public void PrivateFile_ReadableByOthers_IsRefused()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("secret");
        PrivateFile.Write(path, "one"u8);
        PrivateFile.Write(path, "two"u8);
        Assert.That(PrivateFile.Read(path, 100), Is.EqualTo("two"u8.ToArray()));
        Assert.That(Directory.GetFiles(directory.Path), Has.Length.EqualTo(1));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Throws<StorageException>(() => PrivateFile.Read(path, 100));
    }

    private static long Count(CocoonDatabase database) =>
        database.Read(session => session.QueryFirst("SELECT count(*) FROM counter", row => row.GetInt64(0)));
}
