namespace Cocoon.Node.Storage;

/// <summary>A node's data directory, mode 0700, held by one process at a time until disposed.</summary>
/// <remarks>
/// The lock is an advisory one of the operating system on <c>lock</c>, so a killed node leaves nothing to clean up.
/// Two nodes on one directory would sign with one wallet and forget each other's vouchers.
/// </remarks>
internal sealed class DataDirectory : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private readonly FileStream _lock;

    private DataDirectory(string path, FileStream @lock)
    {
        Path = path;
        _lock = @lock;
    }

    /// <summary>Absolute.</summary>
    public string Path { get; }

    public string DatabasePath => System.IO.Path.Combine(Path, "cocoon.db");

    /// <exception cref="StorageException">In use by another process, on a disk that takes nothing, or open to other users and not ours to narrow.</exception>
    public static DataDirectory Open(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        try
        {
            CreatePrivate(path);
        }
        catch (Exception inner) when (inner is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(StorageErrorCode.Permissions, $"The data directory {path} cannot be made; give another with --data. ({DiskFault.WordsOf(inner) ?? inner.Message})", inner);
        }

        string lockPath = System.IO.Path.Combine(path, "lock");
        try
        {
            FileStreamOptions options = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = PrivateFile.OwnerOnly;
            }

            return new DataDirectory(path, new FileStream(lockPath, options));
        }
        catch (UnauthorizedAccessException inner)
        {
            throw new StorageException(StorageErrorCode.Permissions, $"{lockPath} may not be written by this user.", inner);
        }
        catch (IOException inner) when (!DiskFault.IsHeld(inner))
        {
            throw new StorageException(
                StorageErrorCode.WriteFailed, $"The data directory {path} cannot be written: {DiskFault.WordsOf(inner) ?? inner.Message}. Give another with --data.", inner);
        }
        catch (IOException inner)
        {
            throw new StorageException(
                StorageErrorCode.InUse, $"Another node uses {path}: stop it, or give this one its own --data directory.", inner);
        }
    }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => _lock.Dispose();

    private static void CreatePrivate(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
            return;
        }

        Directory.CreateDirectory(path, OwnerOnly);
        if (System.IO.File.GetUnixFileMode(path) == OwnerOnly)
        {
            return;
        }

        try
        {
            System.IO.File.SetUnixFileMode(path, OwnerOnly);
        }
        catch (UnauthorizedAccessException inner)
        {
            throw new StorageException(
                StorageErrorCode.Permissions, $"{path} is open to other users and does not belong to this one; use another --data directory.", inner);
        }
    }
}
