using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Enclaves.Proto;

namespace Cocoon.Enclave.Hardening;

/// <summary>Hardens this process against everything that does not own the machine.</summary>
/// <param name="expectedParent">Process id of the host; 0 when unknown.</param>
/// <param name="upstreamPort">TCP port of the server that is the engine; 0: the profile without any socket.</param>
/// <param name="isConfined">Whether Landlock was entered before this process image started.</param>
/// <remarks>Defence in depth: root, and whoever starts both processes, is only stopped by hardware.</remarks>
internal sealed unsafe class ProcessProtection(int expectedParent, bool isConfined, int upstreamPort = 0) : IProcessProtection
{
    private const string On = EnclavePolicy.On, Off = EnclavePolicy.Off, Unavailable = EnclavePolicy.Unavailable;

    internal static IReadOnlyList<string> Required => EnclavePolicy.RequiredProtections;

    // Exactly those that the supervisor sets or passes on: runtime settings of the heap, and the choice of devices; nothing that loads code.
    private static readonly string[] AllowedEnvironment =
    [
        "DOTNET_EnableDiagnostics", "DOTNET_ROOT", "DOTNET_GCHeapHardLimit", "DOTNET_GCgen0size", "DOTNET_gcConcurrent", "DOTNET_TieredCompilation",
        "COCOON_CRYPTO", "CUDA_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES",
    ];

    private readonly List<Protections.Types.Protection> _items = [];
    private SelfTester? _tester;

    public IReadOnlyList<string> Missing =>
        [.. Required.Where(name => !_items.Any(i => i.Name == name && i.State == On))];

    public Protections Report()
    {
        Protections report = new();
        report.Items.AddRange(_items);
        return report;
    }

    public void ApplyEarly()
    {
        if (!OperatingSystem.IsLinux())
        {
            foreach (string name in Required.SkipLast(2).Append("memlock").Append("capabilities").Append("landlock"))
            {
                Add(name, Unavailable, "not Linux");
            }
        }
        else
        {
            // A thread from before the filter: the self-test proves by it that the filter reached every thread.
            _tester = new SelfTester(isConfined);
            ApplyLinux();
        }

        string[] foreign =
            [.. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(e => (string)e.Key).Except(AllowedEnvironment)];
        Add("environment", foreign.Length == 0 ? On : Off, foreign.Length == 0 ? "" : $"{foreign.Length} foreign variables");
        if (upstreamPort > 0)
        {
            ReportUpstream();
        }

        bool diagnosticsOff = Environment.GetEnvironmentVariable("DOTNET_EnableDiagnostics") == "0";
        Add("diagnostics", diagnosticsOff ? On : Off, diagnosticsOff ? "no debugger, profiler or diagnostic port" : "");
    }

    public void ApplyFilter()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        if (SyscallTable.Current is not { } table)
        {
            Add("seccomp", Unavailable, RuntimeInformation.ProcessArchitecture.ToString());
            return;
        }

        string? problem = SeccompFilter.Install(table, allowsTcp: upstreamPort > 0);
        Add("seccomp", problem is null ? On : Off, problem ?? $"{table.Denied.Length + (upstreamPort > 0 ? 1 : 3)} calls, all threads");
    }

    public void Silence()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        // Whoever printed before has a descriptor of its own for the same pipe: the runtime's console is one.
        string? output = LinkOf(2);
        int[] descriptors = [.. Directory.GetFiles("/proc/self/fd").Select(f => int.Parse(Path.GetFileName(f), CultureInfo.InvariantCulture)).Where(d => LinkOf(d) == output)];
        int nothing = LibC.open("/dev/null", LibC.O_RDWR | LibC.O_CLOEXEC);
        bool isSilent = nothing >= 0 && descriptors.Union([1, 2]).All(d => LibC.dup2(nothing, d) == d);
        Add("output", isSilent ? On : Off, isSilent ? "nothing that is printed leaves" : $"errno {Marshal.GetLastPInvokeError()}");
        if (nothing >= 0)
        {
            LibC.close(nothing);
        }
    }

    private static string? LinkOf(int descriptor) => new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{descriptor}")).LinkTarget;

    public SelfTestReport SelfTest() => _tester?.Run() ?? new SelfTestReport();

    private void ApplyLinux()
    {
        LibC.RLimit none = default;
        AddCall("core", LibC.setrlimit(LibC.RLIMIT_CORE, &none));
        bool armed = LibC.prctl(LibC.PR_SET_PDEATHSIG, LibC.SIGKILL, 0, 0, 0) == 0;

        // The signal is only sent for a death after this call: whose parent changed before must see it itself.
        bool sameParent = expectedParent == 0 || LibC.getppid() == expectedParent;
        Add("pdeathsig", armed && sameParent ? On : Off, sameParent ? "" : "the host is gone");
        LibC.prctl(LibC.PR_SET_DUMPABLE, 0, 0, 0, 0);
        AddCall("dumpable", LibC.prctl(LibC.PR_GET_DUMPABLE, 0, 0, 0, 0), "memory not readable by the same user");
        LibC.prctl(LibC.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        AddCall("no_new_privs", LibC.prctl(LibC.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) - 1);
        LockMemory();
        ulong capabilities = Capabilities.Effective;
        Add("capabilities", (capabilities & ~Capabilities.Kept) == 0 ? On : Off, $"{capabilities:x16} left");
        Add("landlock", isConfined ? On : Unavailable, isConfined ? Landlock.Describe() : "");
    }

    /// <summary>The other profile, said in the evidence: prompts leave this process, and how far they can get.</summary>
    private void ReportUpstream()
    {
        bool keepsPort = isConfined && Landlock.ConfinesTcp;
        string port = upstreamPort.ToString(CultureInfo.InvariantCulture);
        Add("profile", On, "upstream");
        Add(
            "network", keepsPort ? On : Off,
            keepsPort ? $"TCP connects to port {port} only" : $"unconfined: TCP may connect anywhere, meant for port {port}");
    }

    private void LockMemory()
    {
        if (LibC.mlockall(LibC.MCL_CURRENT | LibC.MCL_FUTURE | LibC.MCL_ONFAULT) == 0)
        {
            Add("memlock", On, "all memory");
            return;
        }

        string why = $"errno {Marshal.GetLastPInvokeError()}";
        bool pages = Cocoon.Protocol.Cryptography.SecretBytes.LockPages(LockPages);
        Add("memlock", pages ? On : Off, pages ? $"key pages only ({why})" : why);
    }

    [SuppressMessage("Reliability", "CA2020", Justification = "addresses")]
    private static bool LockPages(nint address, nint length)
    {
        nint page = Environment.SystemPageSize;
        nint start = address & ~(page - 1);
        nuint size = (nuint)(address + length - start);
        return LibC.mlock((void*)start, size) == 0 && LibC.madvise((void*)start, size, LibC.MADV_DONTDUMP) == 0;
    }

    private void AddCall(string name, int result, string detail = "") =>
        Add(name, result == 0 ? On : Off, result == 0 ? detail : $"errno {Marshal.GetLastPInvokeError()}");

    private void Add(string name, string state, string detail) =>
        _items.Add(new Protections.Types.Protection { Name = name, State = state, Detail = detail });
}
