using System.Runtime.InteropServices;

namespace Cocoon.Tests.EndToEnd;

/// <summary>POSIX signals to one process, by its id.</summary>
internal static partial class Signals
{
    private const int Probe = 0, Interrupt = 2, Kill = 9, Terminate = 15, Continue = 18, Stop = 19;

    /// <summary>SIGINT: what Ctrl-C sends.</summary>
    public static void SendInterrupt(int processId) => Send(processId, Interrupt);

    public static void SendTerminate(int processId) => Send(processId, Terminate);

    /// <summary>SIGKILL: no handler runs, no child is told.</summary>
    public static void SendKill(int processId) => Send(processId, Kill);

    /// <summary>SIGSTOP: alive, its sockets open, and silent.</summary>
    public static void Freeze(int processId) => Send(processId, Stop);

    public static void Thaw(int processId) => Send(processId, Continue);

    /// <summary>Whether the process exists and is no zombie.</summary>
    public static bool IsAlive(int processId)
    {
        if (kill(processId, Probe) != 0)
        {
            return false;
        }

        try
        {
            string stat = File.ReadAllText($"/proc/{processId}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..][0] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static void Send(int processId, int signal)
    {
        // 0 and negative ids are groups of processes: ours among them.
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(processId);
        _ = kill(processId, signal);
    }

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int kill(int pid, int sig);
}
