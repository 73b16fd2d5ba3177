using Microsoft.Data.Sqlite;

namespace Cocoon.Node.Storage;

/// <summary>What the disk itself refuses, in words: somebody who frees a disk helps himself otherwise than somebody who stops a node.</summary>
/// <remarks>.NET hands on the system's own error number (errno, or a Windows error as HRESULT) as <see cref="Exception.HResult"/>.</remarks>
internal static class DiskFault
{
    private const int SqliteReadOnly = 8, SqliteFull = 13;

    /// <summary>ENOSPC and EDQUOT of Linux and macOS, ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL of Windows.</summary>
    private static readonly int[] s_full = OperatingSystem.IsWindows() ? [unchecked((int)0x80070070), unchecked((int)0x80070027)] : [28, OperatingSystem.IsMacOS() ? 69 : 122];

    /// <summary>EROFS, ERROR_WRITE_PROTECT.</summary>
    private static readonly int s_readOnly = OperatingSystem.IsWindows() ? unchecked((int)0x80070013) : 30;

    /// <summary>EWOULDBLOCK of the lock, ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION.</summary>
    private static readonly int[] s_held = OperatingSystem.IsWindows() ? [unchecked((int)0x80070020), unchecked((int)0x80070021)] : [OperatingSystem.IsMacOS() ? 35 : 11];

    /// <returns><c>null</c> when it is something else.</returns>
    public static string? WordsOf(Exception? exception) => exception switch
    {
        null => null,
        SqliteException { SqliteErrorCode: SqliteFull } => "the disk is full",
        SqliteException { SqliteErrorCode: SqliteReadOnly } => "it is read-only",
        IOException when s_full.Contains(exception.HResult) => "the disk is full",
        IOException when exception.HResult == s_readOnly => "the file system is read-only",
        _ => WordsOf(exception.InnerException),
    };

    /// <summary>Another process has the file, with a lock that lasts as long as it does.</summary>
    public static bool IsHeld(IOException exception) => s_held.Contains(exception.HResult);
}
