using Cocoon.Node.Cli;
using Cocoon.Node.Storage;
using Microsoft.Data.Sqlite;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Storage;

public sealed class DiskFaultTests
{
    [Test]
    public void WordsOf_WhatALinuxSystemSays()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("the numbers are Linux's");
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(DiskFault.WordsOf(new IOException("ENOSPC", 28)), Is.EqualTo("the disk is full"));
            Assert.That(DiskFault.WordsOf(new IOException("EDQUOT", 122)), Is.EqualTo("the disk is full"));
            Assert.That(DiskFault.WordsOf(new IOException("EROFS", 30)), Is.EqualTo("the file system is read-only"));
            Assert.That(DiskFault.WordsOf(new StorageException(StorageErrorCode.WriteFailed, "outer", new IOException("EROFS", 30))), Is.EqualTo("the file system is read-only"));
            Assert.That(DiskFault.WordsOf(new IOException("EWOULDBLOCK", 11)), Is.Null);
            Assert.That(DiskFault.WordsOf(new SqliteException("full", 13)), Is.EqualTo("the disk is full"));
            Assert.That(DiskFault.WordsOf(new SqliteException("not a database", 26)), Is.Null);
        }
    }

    [Test]
    public void WordsOf_AFullDevice_AreThoseOfAFullDisk()
    {
        const string Device = "/dev/full";
        if (!File.Exists(Device))
        {
            Assert.Ignore($"there is no {Device}");
        }

        IOException refused = Assert.Catch<IOException>(() =>
        {
            using FileStream full = new(Device, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            full.Write("x"u8);
        })!;
        Assert.That(DiskFault.WordsOf(refused), Is.EqualTo("the disk is full"));
        Assert.That(CliException.OfFile(refused).Message, Is.EqualTo("the disk is full"));
    }

    [Test]
    public void IsHeld_AFileOfAnotherHolder_AndNoOtherFault()
    {
        using TemporaryDirectory directory = new();
        using FileStream holder = new(directory.File("lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        IOException held = Assert.Throws<IOException>(() => new FileStream(directory.File("lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None).Dispose())!;
        Assert.That(DiskFault.IsHeld(held));
        Assert.That(DiskFault.WordsOf(held), Is.Null);
        Assert.That(DiskFault.IsHeld(new IOException("EROFS", 30)), Is.False);
    }
}
