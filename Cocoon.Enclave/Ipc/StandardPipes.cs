using Cocoon.Enclave.Hardening;
using Microsoft.Win32.SafeHandles;

namespace Cocoon.Enclave.Ipc;

/// <summary>The pipe to the host: descriptors 0 and 1, moved out of the way of whatever prints.</summary>
internal static class StandardPipes
{
    /// <summary>The largest request and some: whoever writes it need not wait for the reader between its parts.</summary>
    private const int Capacity = 1 << 20;

    /// <summary>
    /// Takes both descriptors. Afterwards standard input is empty and standard output goes to standard error, so that a library that
    /// prints cannot break the frame protocol.
    /// </summary>
    public static (Stream Input, Stream Output) Take()
    {
        if (!OperatingSystem.IsLinux())
        {
            return (Console.OpenStandardInput(), Console.OpenStandardOutput());
        }

        int input = LibC.dup(0);
        int output = LibC.dup(1);
        if (input < 0 || output < 0)
        {
            throw new IOException("the pipe to the host is missing");
        }

        int nothing = LibC.open("/dev/null", LibC.O_RDWR);
        if (nothing >= 0)
        {
            LibC.dup2(nothing, 0);
            LibC.close(nothing);
        }

        // A system that gives no more leaves what there is, 64 KiB.
        _ = LibC.fcntl(input, LibC.F_SETPIPE_SZ, Capacity);
        LibC.dup2(2, 1);
        return (
            new FileStream(new SafeFileHandle(input, ownsHandle: true), FileAccess.Read, bufferSize: 0),
            new FileStream(new SafeFileHandle(output, ownsHandle: true), FileAccess.Write, bufferSize: 0));
    }
}
