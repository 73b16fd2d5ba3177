using System.Globalization;
using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Hardening;

/// <summary>Capabilities of an enclave that root started. They belong to threads, so they are dropped before the program starts again in place.</summary>
internal static unsafe class Capabilities
{
    /// <summary>CAP_DAC_READ_SEARCH stays: a model may lie in a folder that its owner keeps private, and Landlock says which files are read.</summary>
    public const ulong Kept = 1 << 2;

    private const uint Version3 = 0x20080522;
    private const int MaxCapability = 64;

    /// <summary>Of the calling thread, one bit each.</summary>
    public static ulong Effective
    {
        get
        {
            const string name = "CapEff:";
            string line = File.ReadLines("/proc/thread-self/status").First(l => l.StartsWith(name, StringComparison.Ordinal));
            return ulong.Parse(line.AsSpan(name.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        }
    }

    /// <summary>What the next <c>execve</c> of this thread leaves of them is <see cref="Kept"/> for root, and nothing for others.</summary>
    public static void DropAtExecve()
    {
        if (Effective == 0)
        {
            return;
        }

        // Locking all memory needs a capability or no limit; this is the last moment to lift the limit.
        LibC.RLimit unlimited = new() { Current = ulong.MaxValue, Maximum = ulong.MaxValue };
        LibC.setrlimit(LibC.RLIMIT_MEMLOCK, &unlimited);
        for (int capability = 0; capability < MaxCapability; capability++)
        {
            if ((Kept >> capability & 1) == 0)
            {
                LibC.prctl(LibC.PR_CAPBSET_DROP, (nuint)capability, 0, 0, 0);
            }
        }

        if (SyscallTable.Current is not { } table)
        {
            return;
        }

        // Inheritable ones would come back.
        Header header = new() { Version = Version3 };
        Sets sets = default;
        if (LibC.syscall(table.Capget, (nint)(&header), (nint)(&sets), 0, 0, 0, 0) == 0)
        {
            sets.InheritableLow = sets.InheritableHigh = 0;
            LibC.syscall(table.Capset, (nint)(&header), (nint)(&sets), 0, 0, 0, 0);
        }
    }

    /// <summary>struct __user_cap_header_struct.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        public uint Version;
        public int ProcessId;
    }

    /// <summary>struct __user_cap_data_struct, twice: capabilities 0 to 31, then 32 to 63.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Sets
    {
        public uint EffectiveLow;
        public uint PermittedLow;
        public uint InheritableLow;
        public uint EffectiveHigh;
        public uint PermittedHigh;
        public uint InheritableHigh;
    }
}
