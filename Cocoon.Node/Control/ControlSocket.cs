using Cocoon.Node.Cli;

namespace Cocoon.Node.Control;

/// <summary>Where the control API of a data directory listens.</summary>
internal static class ControlSocket
{
    /// <summary>sun_path of a Unix socket on Linux has 108 bytes with its terminating zero.</summary>
    private const int MaxPathBytes = 107;

    /// <exception cref="CliException">The path is longer than the operating system allows.</exception>
    public static string PathIn(string dataDirectory)
    {
        string path = Path.Combine(dataDirectory, "control.sock");
        return System.Text.Encoding.UTF8.GetByteCount(path) <= MaxPathBytes
            ? path
            : throw new CliException(ExitCode.Usage, "the data directory's path is too long", $"{path} exceeds {MaxPathBytes} bytes", "Use a shorter --data directory.");
    }

    /// <summary>Mode 0600. The directory around it is 0700 already, so nobody else could reach it before.</summary>
    public static void Protect(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }
}
