using System.Runtime.InteropServices;

namespace Cocoon.Node.Storage;

/// <summary>Files with mode 0600 that are either the old or the new content after a crash, never a part of it.</summary>
internal static partial class PrivateFile
{
    internal const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes beside the target, flushes it to the disk, renames, and flushes the directory: durable when it returns.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        string temporary = path + ".new";
        File.Delete(temporary);
        using (FileStream file = new(temporary, CreateNew()))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
        FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Writes a file that nobody has written before, and leaves it to the system to bring it to the disk.</summary>
    /// <exception cref="IOException">It exists.</exception>
    public static void WriteNew(string path, ReadOnlySpan<byte> content)
    {
        using FileStream file = new(path, CreateNew());
        file.Write(content);
    }

    /// <summary>Creates the file empty with mode 0600 when it is absent, so that a library that opens it later cannot choose wider rights.</summary>
    public static void EnsureExists(string path)
    {
        if (File.Exists(path))
        {
            return;
        }

        FileStreamOptions options = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        using FileStream created = new(path, options);
    }

    /// <summary>A secret that others may read is refused instead of used.</summary>
    /// <exception cref="StorageException">Longer than <paramref name="maximum"/> bytes, or readable by others.</exception>
    public static byte[] Read(string path, int maximum)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~(OwnerOnly | UnixFileMode.UserExecute)) != 0)
        {
            throw new StorageException(StorageErrorCode.Permissions, $"{path} can be read by others; run: chmod 600 {path}");
        }

        using FileStream file = File.OpenRead(path);
        if (file.Length > maximum)
        {
            throw new StorageException(StorageErrorCode.Corrupt, $"{path} is longer than {maximum} bytes.");
        }

        byte[] content = new byte[file.Length];
        file.ReadExactly(content);
        return content;
    }

    private static FileStreamOptions CreateNew()
    {
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        return options;
    }

    private static void FlushDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        // .NET opens no directories; without this flush the rename itself may be lost with the power.
        int descriptor = Open(path, 0);
        if (descriptor >= 0)
        {
            _ = Fsync(descriptor);
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
