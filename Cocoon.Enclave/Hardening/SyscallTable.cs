using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Hardening;

/// <summary>System call numbers of one architecture, from its kernel's <c>unistd.h</c>.</summary>
internal sealed record SyscallTable
{
    private const uint AuditArchX64 = 0xC000003E;
    private const uint AuditArchArm64 = 0xC00000B7;

    public required uint AuditArch { get; init; }

    public required int Seccomp { get; init; }

    public required int CloneThread { get; init; }

    public required int Prctl { get; init; }

    public required int Socket { get; init; }

    public required int Connect { get; init; }

    public required int Execve { get; init; }

    public required int Ptrace { get; init; }

    public required int Unshare { get; init; }

    public required int Bpf { get; init; }

    public required int ProcessVmReadv { get; init; }

    public required int Capget { get; init; }

    public required int Capset { get; init; }

    /// <summary>Everything that is answered with EPERM, whatever its arguments.</summary>
    public required ImmutableArray<int> Denied { get; init; }

    public const int Clone3 = 435;
    public const int IoUringSetup = 425;
    public const int LandlockCreateRuleset = 444;
    public const int LandlockAddRule = 445;
    public const int LandlockRestrictSelf = 446;

    // Numbers from 424 on are the same everywhere: pidfd_send_signal, io_uring_*, open_tree … fspick, pidfd_open, pidfd_getfd,
    // process_madvise, mount_setattr.
    private static ReadOnlySpan<int> DeniedEverywhere => [424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 440, 442];

    public static SyscallTable X64 { get; } = new()
    {
        AuditArch = AuditArchX64,
        Seccomp = 317,
        CloneThread = 56,
        Prctl = 157,
        Socket = 41,
        Connect = 42,
        Execve = 59,
        Ptrace = 101,
        Unshare = 272,
        Bpf = 321,
        ProcessVmReadv = 310,
        Capget = 125,
        Capset = 126,
        Denied =
        [
            41, 42, 43, 49, 50, 53, 288, // socket, connect, accept, bind, listen, socketpair, accept4
            59, 322, 57, 58, // execve, execveat, fork, vfork
            101, 310, 311, // ptrace, process_vm_readv, process_vm_writev
            321, 298, 323, // bpf, perf_event_open, userfaultfd
            165, 166, 155, 161, 272, 308, // mount, umount2, pivot_root, chroot, unshare, setns
            175, 176, 313, 246, 320, // init_module, delete_module, finit_module, kexec_load, kexec_file_load
            248, 249, 250, 303, 304, // add_key, request_key, keyctl, name_to_handle_at, open_by_handle_at
            163, 167, 168, 169, 172, 173, 312, // acct, swapon, swapoff, reboot, iopl, ioperm, kcmp
            .. DeniedEverywhere,
        ],
    };

    public static SyscallTable Arm64 { get; } = new()
    {
        AuditArch = AuditArchArm64,
        Seccomp = 277,
        CloneThread = 220,
        Prctl = 167,
        Socket = 198,
        Connect = 203,
        Execve = 221,
        Ptrace = 117,
        Unshare = 97,
        Bpf = 280,
        ProcessVmReadv = 270,
        Capget = 90,
        Capset = 91,
        Denied =
        [
            198, 203, 202, 200, 201, 199, 242, // socket, connect, accept, bind, listen, socketpair, accept4
            221, 281, // execve, execveat
            117, 270, 271, // ptrace, process_vm_readv, process_vm_writev
            280, 241, 282, // bpf, perf_event_open, userfaultfd
            40, 39, 41, 51, 97, 268, // mount, umount2, pivot_root, chroot, unshare, setns
            105, 106, 273, 104, 294, // init_module, delete_module, finit_module, kexec_load, kexec_file_load
            217, 218, 219, 264, 265, // add_key, request_key, keyctl, name_to_handle_at, open_by_handle_at
            89, 224, 225, 142, 272, // acct, swapon, swapoff, reboot, kcmp
            .. DeniedEverywhere,
        ],
    };

    /// <summary>The running process's; <c>null</c> where there is no filter for it.</summary>
    public static SyscallTable? Current => OperatingSystem.IsLinux()
        ? RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => X64,
            Architecture.Arm64 => Arm64,
            _ => null,
        }
        : null;
}
