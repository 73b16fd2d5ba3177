using System.Text.RegularExpressions;
using Cocoon.Enclave.Hardening;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Hardening;

/// <summary>What the filter answers on both architectures, call by call. The numbers are those of Linux's <c>unistd_64.h</c> and <c>asm-generic/unistd.h</c>.</summary>
public sealed partial class SeccompFilterTests
{
    private const uint X64 = 0xC000003E, Arm64 = 0xC00000B7, X86 = 0x40000003;
    private const ulong CloneThread = 0x00010000, CloneVm = 0x100;
    private const ulong SetDumpable = 4, SetName = 15;

    private static readonly (string Name, int? X64, int? Arm64)[] Refused =
    [
        ("socket", 41, 198), ("connect", 42, 203), ("bind", 49, 200), ("listen", 50, 201), ("accept", 43, 202), ("accept4", 288, 242), ("socketpair", 53, 199),
        ("execve", 59, 221), ("execveat", 322, 281), ("fork", 57, null), ("vfork", 58, null),
        ("ptrace", 101, 117), ("process_vm_readv", 310, 270), ("process_vm_writev", 311, 271), ("kcmp", 312, 272),
        ("pidfd_send_signal", 424, 424), ("pidfd_open", 434, 434), ("pidfd_getfd", 438, 438), ("process_madvise", 440, 440),
        ("io_uring_setup", 425, 425), ("io_uring_enter", 426, 426), ("io_uring_register", 427, 427),
        ("bpf", 321, 280), ("perf_event_open", 298, 241), ("userfaultfd", 323, 282),
        ("mount", 165, 40), ("umount2", 166, 39), ("pivot_root", 155, 41), ("chroot", 161, 51), ("unshare", 272, 97), ("setns", 308, 268),
        ("open_tree", 428, 428), ("move_mount", 429, 429), ("fsopen", 430, 430), ("fsconfig", 431, 431), ("fsmount", 432, 432), ("fspick", 433, 433), ("mount_setattr", 442, 442),
        ("init_module", 175, 105), ("delete_module", 176, 106), ("finit_module", 313, 273), ("kexec_load", 246, 104), ("kexec_file_load", 320, 294),
        ("add_key", 248, 217), ("request_key", 249, 218), ("keyctl", 250, 219), ("name_to_handle_at", 303, 264), ("open_by_handle_at", 304, 265),
        ("acct", 163, 89), ("swapon", 167, 224), ("swapoff", 168, 225), ("reboot", 169, 142), ("iopl", 172, null), ("ioperm", 173, null),
    ];

    private static readonly (string Name, int? X64, int? Arm64)[] Needed =
        [("read", 0, 63), ("write", 1, 64), ("openat", 257, 56), ("mmap", 9, 222), ("futex", 202, 98), ("rt_sigaction", 13, 134), ("exit_group", 231, 94)];

    [TestCase(true), TestCase(false)]
    public void Filter_OfEachArchitecture_RefusesTheListAndAllowsTheRest(bool isX64)
    {
        SyscallTable table = isX64 ? SyscallTable.X64 : SyscallTable.Arm64;
        SeccompFilter.Instruction[] filter = SeccompFilter.Build(table);
        uint own = isX64 ? X64 : Arm64;
        int[] refused = [.. Refused.Select(c => isX64 ? c.X64 : c.Arm64).OfType<int>()];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(table.Denied, Is.EquivalentTo(refused), "nothing more, nothing less");
            foreach (int number in refused)
            {
                Assert.That(FilterMachine.Run(filter, own, number), Is.EqualTo(FilterMachine.Denied), $"call {number}");
            }

            foreach (int number in Needed.Select(c => isX64 ? c.X64 : c.Arm64).OfType<int>())
            {
                Assert.That(FilterMachine.Run(filter, own, number), Is.EqualTo(FilterMachine.Allow), $"call {number}");
            }

            Assert.That(FilterMachine.Run(filter, isX64 ? Arm64 : X64, 0), Is.EqualTo(FilterMachine.Kill), "another architecture");
            Assert.That(FilterMachine.Run(filter, X86, 0), Is.EqualTo(FilterMachine.Kill), "32 bits");
            Assert.That(FilterMachine.Run(filter, own, 435), Is.EqualTo(FilterMachine.NotThere), "clone3");
            int clone = isX64 ? 56 : 220, prctl = isX64 ? 157 : 167;
            Assert.That(FilterMachine.Run(filter, own, clone, CloneThread | CloneVm), Is.EqualTo(FilterMachine.Allow), "a thread");
            Assert.That(FilterMachine.Run(filter, own, clone, CloneVm), Is.EqualTo(FilterMachine.Denied), "a process");
            Assert.That(FilterMachine.Run(filter, own, prctl, SetName), Is.EqualTo(FilterMachine.Allow));
            Assert.That(FilterMachine.Run(filter, own, prctl, SetDumpable, 1), Is.EqualTo(FilterMachine.Denied));
            if (isX64)
            {
                Assert.That(FilterMachine.Run(filter, own, 0x40000000 + 41), Is.EqualTo(FilterMachine.Kill), "x32");
            }
        }
    }

    /// <summary>AF_UNIX 1, AF_INET 2, AF_INET6 10, AF_NETLINK 16, AF_PACKET 17; SOCK_STREAM 1, SOCK_DGRAM 2, SOCK_RAW 3, SOCK_CLOEXEC 0x80000.</summary>
    [TestCase(true), TestCase(false)]
    public void Filter_OfTheUpstreamProfile_AllowsTcpOutAndNoOtherSocket(bool isX64)
    {
        SyscallTable table = isX64 ? SyscallTable.X64 : SyscallTable.Arm64;
        SeccompFilter.Instruction[] filter = SeccompFilter.Build(table, allowsTcp: true);
        uint own = isX64 ? X64 : Arm64;
        ulong[][] refused = [[1, 1], [16, 3], [17, 3], [2, 2], [10, 2], [2, 3], [2, 0x80002]];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(FilterMachine.Run(filter, own, table.Socket, 2, 1), Is.EqualTo(FilterMachine.Allow));
            Assert.That(FilterMachine.Run(filter, own, table.Socket, 10, 0x80001), Is.EqualTo(FilterMachine.Allow));
            Assert.That(FilterMachine.Run(filter, own, table.Connect), Is.EqualTo(FilterMachine.Allow));
            foreach (ulong[] arguments in refused)
            {
                Assert.That(FilterMachine.Run(filter, own, table.Socket, arguments), Is.EqualTo(FilterMachine.Denied), string.Join(' ', arguments));
            }

            foreach (int number in table.Denied.Except([table.Socket, table.Connect]))
            {
                Assert.That(FilterMachine.Run(filter, own, number), Is.EqualTo(FilterMachine.Denied), $"call {number}");
            }
        }
    }

    /// <summary>The numbers above and those beside the list, against the kernel's own headers.</summary>
    [TestCase("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", true)]
    [TestCase("/usr/include/asm-generic/unistd.h", false)]
    public void Numbers_AgainstTheKernelsHeaders_Agree(string header, bool isX64)
    {
        if (!File.Exists(header))
        {
            Assert.Ignore($"{header} (linux-libc-dev) is missing");
        }

        Dictionary<string, int> numbers = Definition().Matches(File.ReadAllText(header))
            .ToDictionary(m => m.Groups["name"].Value, m => int.Parse(m.Groups["number"].Value, System.Globalization.CultureInfo.InvariantCulture));
        SyscallTable table = isX64 ? SyscallTable.X64 : SyscallTable.Arm64;
        (string Name, int? Number)[] ours =
        [
            .. Refused.Concat(Needed).Select(c => (c.Name, isX64 ? c.X64 : c.Arm64)),
            ("seccomp", table.Seccomp), ("clone", table.CloneThread), ("prctl", table.Prctl), ("capget", table.Capget), ("capset", table.Capset),
            ("socket", table.Socket), ("connect", table.Connect), ("execve", table.Execve), ("ptrace", table.Ptrace), ("unshare", table.Unshare),
            ("bpf", table.Bpf), ("process_vm_readv", table.ProcessVmReadv), ("clone3", SyscallTable.Clone3), ("io_uring_setup", SyscallTable.IoUringSetup),
            ("landlock_create_ruleset", SyscallTable.LandlockCreateRuleset), ("landlock_add_rule", SyscallTable.LandlockAddRule),
            ("landlock_restrict_self", SyscallTable.LandlockRestrictSelf),
        ];
        Assert.That(ours.Where(c => c.Number != (numbers.TryGetValue(c.Name, out int number) ? number : null)), Is.Empty);
    }

    [GeneratedRegex(@"^#define __NR(3264)?_(?<name>\w+)\s+(?<number>\d+)", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Definition();
}
