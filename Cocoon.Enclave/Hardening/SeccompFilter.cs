using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Hardening;

/// <summary>The system call filter: a deny list, because what the runtime needs changes, for the whole process at once.</summary>
internal static unsafe class SeccompFilter
{
    private const ushort LoadWord = 0x20;
    private const ushort JumpEqual = 0x15;
    private const ushort JumpGreaterOrEqual = 0x35;
    private const ushort JumpSet = 0x45;
    private const ushort Return = 0x06;

    private const uint Allow = 0x7FFF0000;
    private const uint KillProcess = 0x80000000;
    private const uint Errno = 0x00050000;

    private const uint NumberOffset = 0;
    private const uint ArchOffset = 4;
    private const uint FirstArgumentOffset = 16;
    private const uint ArgumentSize = 8;

    private const ushort And = 0x54;
    private const uint InternetFamily = 2;
    private const uint Internet6Family = 10;
    private const uint StreamSocket = 1;
    private const uint SocketTypeMask = 0xF;

    private const uint FirstX32Number = 0x40000000;
    private const uint CloneThread = 0x00010000;

    private const int SetModeFilter = 1;
    private const int ThreadSync = 1;

    /// <summary>Refused calls fail with EPERM. clone3 fails with ENOSYS: its arguments cannot be inspected, and glibc falls back to clone.</summary>
    /// <param name="allowsTcp">TCP sockets may be made and connected; listening stays refused.</param>
    internal static Instruction[] Build(SyscallTable table, bool allowsTcp = false)
    {
        List<Instruction> program =
        [
            new(LoadWord, 0, 0, ArchOffset),
            new(JumpEqual, 1, 0, table.AuditArch),
            new(Return, 0, 0, KillProcess),
            new(LoadWord, 0, 0, NumberOffset),
        ];
        if (table == SyscallTable.X64)
        {
            program.Add(new(JumpGreaterOrEqual, 0, 1, FirstX32Number));
            program.Add(new(Return, 0, 0, KillProcess));
        }

        foreach (int number in table.Denied.Distinct())
        {
            if (allowsTcp && (number == table.Socket || number == table.Connect))
            {
                continue;
            }

            program.Add(new(JumpEqual, 0, 1, (uint)number));
            program.Add(new(Return, 0, 0, Errno | LibC.EPERM));
        }

        if (allowsTcp)
        {
            // socket: stream sockets of the two internet families only, so no datagram, packet, netlink or Unix socket.
            program.Add(new(JumpEqual, 0, 9, (uint)table.Socket));
            program.Add(new(LoadWord, 0, 0, FirstArgumentOffset));
            program.Add(new(JumpEqual, 2, 0, InternetFamily));
            program.Add(new(JumpEqual, 1, 0, Internet6Family));
            program.Add(new(Return, 0, 0, Errno | LibC.EPERM));
            program.Add(new(LoadWord, 0, 0, FirstArgumentOffset + ArgumentSize));
            program.Add(new(And, 0, 0, SocketTypeMask));
            program.Add(new(JumpEqual, 0, 1, StreamSocket));
            program.Add(new(Return, 0, 0, Allow));
            program.Add(new(Return, 0, 0, Errno | LibC.EPERM));
        }

        program.Add(new(JumpEqual, 0, 1, SyscallTable.Clone3));
        program.Add(new(Return, 0, 0, Errno | LibC.ENOSYS));

        // clone makes threads only; prctl must not make the process dumpable again.
        program.Add(new(JumpEqual, 0, 4, (uint)table.CloneThread));
        program.Add(new(LoadWord, 0, 0, FirstArgumentOffset));
        program.Add(new(JumpSet, 1, 0, CloneThread));
        program.Add(new(Return, 0, 0, Errno | LibC.EPERM));
        program.Add(new(Return, 0, 0, Allow));
        program.Add(new(JumpEqual, 0, 3, (uint)table.Prctl));
        program.Add(new(LoadWord, 0, 0, FirstArgumentOffset));
        program.Add(new(JumpEqual, 0, 1, LibC.PR_SET_DUMPABLE));
        program.Add(new(Return, 0, 0, Errno | LibC.EPERM));
        program.Add(new(Return, 0, 0, Allow));
        return [.. program];
    }

    /// <summary>Puts every thread of the process under the filter. <c>null</c> on success, else why not.</summary>
    /// <remarks>Needs no_new_privs. There is no way back.</remarks>
    public static string? Install(SyscallTable table, bool allowsTcp)
    {
        Instruction[] program = Build(table, allowsTcp);
        fixed (Instruction* first = program)
        {
            Program description = new() { Length = (ushort)program.Length, Instructions = first };
            nint result = LibC.syscall(table.Seccomp, SetModeFilter, ThreadSync, (nint)(&description), 0, 0, 0);
            return result switch
            {
                0 => null,
                > 0 => $"thread {result} could not be synchronised",
                _ => $"errno {Marshal.GetLastPInvokeError()}",
            };
        }
    }

    /// <summary>struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal readonly record struct Instruction(ushort Code, byte JumpTrue, byte JumpFalse, uint Operand);

    /// <summary>struct sock_fprog.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Program
    {
        public ushort Length;
        public Instruction* Instructions;
    }
}
