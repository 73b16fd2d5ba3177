using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Cocoon.Enclave.Hardening;

/// <summary>
/// Confines the file system to what inference reads. Landlock binds the calling thread and what it executes, and a .NET process has
/// many threads from the start: so the main thread enters it and executes the same program again.
/// </summary>
internal static unsafe class Landlock
{
    private const int CreateRulesetVersion = 1;
    private const int RulePathBeneath = 1;
    private const int RuleNetPort = 2;
    private const int FirstNetworkVersion = 4;

    private const ulong Execute = 1 << 0;
    private const ulong WriteFile = 1 << 1;
    private const ulong ReadFile = 1 << 2;
    private const ulong ReadDirectory = 1 << 3;
    private const ulong RemoveDirectory = 1 << 4;
    private const ulong MakeDirectory = 1 << 7;
    private const ulong Refer = 1 << 13;
    private const ulong Truncate = 1 << 14;
    private const ulong FirstVersionRights = (1 << 13) - 1;
    private const ulong TcpConnect = 2;
    private const ulong TcpBindAndConnect = 3;
    private const ulong AbstractSocketsAndSignals = 3;

    private const ulong ReadOnly = Execute | ReadFile | ReadDirectory;

    private static readonly string[] SystemPaths = ["/usr", "/lib", "/lib64", "/bin", "/opt", "/proc", "/sys/devices/system", "/sys/fs/cgroup", "/sys/bus/pci"];
    private static readonly string[] GpuPaths = ["/sys/dev/char", "/sys/class/drm", "/sys/devices", "/etc/vulkan"];
    private static readonly string[] SystemFiles = ["/etc/ld.so.cache", "/etc/ssl/openssl.cnf", "/etc/localtime"];

    // Nothing that holds a disk, memory or another process's terminal.
    private static readonly string[] Devices = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

    /// <summary>The kernel's Landlock version; 0 where there is none.</summary>
    public static int Version
    {
        get
        {
            if (!OperatingSystem.IsLinux())
            {
                return 0;
            }

            nint version = LibC.syscall(SyscallTable.LandlockCreateRuleset, 0, 0, CreateRulesetVersion, 0, 0, 0);
            return version < 0 ? 0 : (int)version;
        }
    }

    public static string Describe() => string.Create(CultureInfo.InvariantCulture, $"version {Version}");

    /// <summary>Whether this kernel can keep TCP to chosen ports.</summary>
    public static bool ConfinesTcp => Version >= FirstNetworkVersion;

    /// <summary>Confines this thread and executes the program again with <paramref name="extraArguments"/>. Only returns on failure.</summary>
    /// <param name="readPaths">Model file, native libraries: what is read besides the runtime.</param>
    /// <param name="connectPort">The one TCP port that may be connected to, where the kernel can tell; 0: none.</param>
    /// <returns>Why it did not work.</returns>
    public static string ConfineAndRestart(IEnumerable<string> readPaths, IEnumerable<string> extraArguments, int connectPort = 0)
    {
        int version = Version;
        if (version == 0)
        {
            return "not in this kernel";
        }

        Ruleset ruleset = new()
        {
            FileSystem = FirstVersionRights | (version >= 2 ? Refer : 0) | (version >= 3 ? Truncate : 0),
            Network = version >= FirstNetworkVersion ? TcpBindAndConnect : 0,
            Scoped = version >= 6 ? AbstractSocketsAndSignals : 0,
        };
        nint size = version >= 6 ? 24 : version >= FirstNetworkVersion ? 16 : 8;
        nint descriptor = LibC.syscall(SyscallTable.LandlockCreateRuleset, (nint)(&ruleset), size, 0, 0, 0, 0);
        if (descriptor < 0)
        {
            return $"ruleset: errno {Marshal.GetLastPInvokeError()}";
        }

        foreach (string path in SystemPaths.Append(AppContext.BaseDirectory).Append(RuntimeRoot(RuntimeEnvironment.GetRuntimeDirectory())).Concat(readPaths))
        {
            Allow(descriptor, path, Directory.Exists(path) ? ReadOnly : Execute | ReadFile);
        }

        foreach (string path in SystemFiles)
        {
            Allow(descriptor, path, ReadFile);
        }

        // GPU drivers find their device by these, and Vulkan its driver; a machine without a GPU shows nothing of itself.
        foreach (string path in GpuDevices.MayExist ? GpuPaths : [])
        {
            Allow(descriptor, path, ReadFile | ReadDirectory);
        }

        // Evidence: the kernel's report entries are folders that come and go, and the firmware's log is a file.
        Allow(descriptor, Attestation.Tsm.ConfigfsTsmReports.Folder, ReadFile | ReadDirectory | WriteFile | MakeDirectory | RemoveDirectory);
        Allow(descriptor, Attestation.EvidenceSources.EventLogPath, ReadFile);
        foreach (string path in Devices.Concat(GpuDevices.Present))
        {
            Allow(descriptor, path, Directory.Exists(path) ? ReadFile | ReadDirectory | WriteFile : ReadFile | WriteFile);
        }

        if (connectPort > 0 && version >= FirstNetworkVersion)
        {
            NetPort rule = new() { Rights = TcpConnect, Port = (ulong)connectPort };
            LibC.syscall(SyscallTable.LandlockAddRule, descriptor, RuleNetPort, (nint)(&rule), 0, 0, 0);
        }

        LibC.prctl(LibC.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (LibC.syscall(SyscallTable.LandlockRestrictSelf, descriptor, 0, 0, 0, 0, 0) != 0)
        {
            return $"restrict: errno {Marshal.GetLastPInvokeError()}";
        }

        Capabilities.DropAtExecve();
        string[] arguments = [.. Lines("/proc/self/cmdline"), .. extraArguments];
        LibC.execve(Environment.ProcessPath!, Pointers(arguments), Pointers(Lines("/proc/self/environ")));
        return $"execve: errno {Marshal.GetLastPInvokeError()}";
    }

    /// <summary>What of the runtime must be readable: an installed one as a whole, one that a program brought along only where it lies.</summary>
    /// <param name="runtimeDirectory">Where this process's runtime is: <c>…/shared/Microsoft.NETCore.App/10.0.0/</c> when it is installed.</param>
    /// <remarks>Three folders above a self-contained program can be the root of the file system.</remarks>
    internal static string RuntimeRoot(string runtimeDirectory)
    {
        string directory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(runtimeDirectory));
        string? shared = Path.GetDirectoryName(Path.GetDirectoryName(directory));
        return Path.GetFileName(shared) == "shared" && Path.GetDirectoryName(shared) is { Length: > 1 } installed ? installed : directory;
    }

    private static void Allow(nint ruleset, string path, ulong rights)
    {
        int descriptor = LibC.open(path, LibC.O_PATH | LibC.O_CLOEXEC);
        if (descriptor < 0)
        {
            return;
        }

        PathBeneath rule = new() { Rights = rights, Descriptor = descriptor };
        LibC.syscall(SyscallTable.LandlockAddRule, ruleset, RulePathBeneath, (nint)(&rule), 0, 0, 0);
        LibC.close(descriptor);
    }

    private static string[] Lines(string file) => File.ReadAllText(file).Split('\0', StringSplitOptions.RemoveEmptyEntries);

    // Lives until execve replaces the process, or the process ends for lack of it.
    private static byte** Pointers(string[] values)
    {
        byte** pointers = (byte**)NativeMemory.AllocZeroed((nuint)values.Length + 1, (nuint)sizeof(byte*));
        for (int i = 0; i < values.Length; i++)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(values[i]);
            pointers[i] = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
            bytes.CopyTo(new Span<byte>(pointers[i], bytes.Length));
        }

        return pointers;
    }

    /// <summary>struct landlock_ruleset_attr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Ruleset
    {
        public ulong FileSystem;
        public ulong Network;
        public ulong Scoped;
    }

    /// <summary>struct landlock_net_port_attr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct NetPort
    {
        public ulong Rights;
        public ulong Port;
    }

    /// <summary>struct landlock_path_beneath_attr, packed.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private struct PathBeneath
    {
        public ulong Rights;
        public int Descriptor;
    }
}
