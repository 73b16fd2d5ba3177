using System.Runtime.InteropServices;
using Cocoon.Protocol.Enclaves.Proto;

namespace Cocoon.Enclave.Hardening;

/// <summary>Tries what the filter must refuse, on a new thread and on one that is older than the filter.</summary>
/// <remarks>Every attempt has arguments that fail with another error, or do nothing, when there is no filter.</remarks>
internal sealed unsafe class SelfTester
{
    private const int Inet = 2;
    private const int Inet6 = 10;
    private const int Unix = 1;
    private const int Stream = 1;
    private const int Datagram = 2;
    private const int NoSuchDumpable = 2;
    private const int PtracePeek = 2;

    // Every machine has them, and no engine needs them.
    private const string OutsideFile = "/etc/passwd", OutsideFolder = "/tmp";

    private readonly object _meeting = new();
    private readonly bool _isConfined;
    private bool _isAsked;
    private SelfTestReport.Types.Check? _answer;

    /// <param name="isConfined">Landlock is on, so that files outside of its set must not open either.</param>
    public SelfTester(bool isConfined = false)
    {
        _isConfined = isConfined;
        new Thread(AnswerFromOldThread) { IsBackground = true, Name = "self-test" }.Start();
    }

    public SelfTestReport Run()
    {
        SelfTestReport report = new();
        if (SyscallTable.Current is not { } table)
        {
            return report;
        }

        report.Checks.Add(Try("tcp-socket", table.Socket, Inet, Stream));
        report.Checks.Add(Try("udp-socket", table.Socket, Inet6, Datagram));
        report.Checks.Add(Try("unix-socket", table.Socket, Unix, Stream));
        report.Checks.Add(Try("execve", table.Execve));
        report.Checks.Add(Try("ptrace", table.Ptrace, PtracePeek));
        report.Checks.Add(Try("process_vm_readv", table.ProcessVmReadv, Environment.ProcessId));
        report.Checks.Add(Try("io_uring_setup", SyscallTable.IoUringSetup));
        report.Checks.Add(Try("unshare", table.Unshare));
        report.Checks.Add(Try("bpf", table.Bpf, -1));
        report.Checks.Add(Try("set-dumpable", table.Prctl, LibC.PR_SET_DUMPABLE, NoSuchDumpable));
        report.Checks.Add(Try("clone3", SyscallTable.Clone3, expected: LibC.ENOSYS));
        if (_isConfined)
        {
            report.Checks.Add(Open("file-outside", OutsideFile));
            report.Checks.Add(Open("folder-outside", OutsideFolder));
        }

        report.Checks.Add(StartProcess());
        report.Checks.Add(ThreadsStillWork());
        report.Checks.Add(AskOldThread());
        return report;
    }

    private SelfTestReport.Types.Check AskOldThread()
    {
        lock (_meeting)
        {
            _answer = null;
            _isAsked = true;
            Monitor.PulseAll(_meeting);
            while (_answer is null)
            {
                Monitor.Wait(_meeting);
            }

            return _answer;
        }
    }

    private static SelfTestReport.Types.Check Try(string name, int number, nint a = 0, nint b = 0, int expected = LibC.EPERM)
    {
        nint result = LibC.syscall(number, a, b, 0, 0, 0, 0);
        int error = Marshal.GetLastPInvokeError();
        if (result > 0 && number == SyscallTable.Current!.Socket)
        {
            LibC.close((int)result);
        }

        return new SelfTestReport.Types.Check
        {
            Name = name,
            Blocked = result < 0 && error == expected,
            Detail = result < 0 ? $"errno {error}" : "allowed",
        };
    }

    private static SelfTestReport.Types.Check Open(string name, string path)
    {
        int descriptor = LibC.open(path, LibC.O_RDONLY | LibC.O_CLOEXEC);
        int error = Marshal.GetLastPInvokeError();
        if (descriptor >= 0)
        {
            LibC.close(descriptor);
        }

        return new SelfTestReport.Types.Check
        {
            Name = name,
            Blocked = descriptor < 0 && error == LibC.EACCES,
            Detail = descriptor < 0 ? $"errno {error}" : "allowed",
        };
    }

    private static SelfTestReport.Types.Check StartProcess()
    {
        try
        {
            using System.Diagnostics.Process? process = System.Diagnostics.Process.Start("/bin/true");
            return new SelfTestReport.Types.Check { Name = "start-process", Blocked = process is null, Detail = "allowed" };
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException or InvalidOperationException)
        {
            return new SelfTestReport.Types.Check { Name = "start-process", Blocked = true, Detail = e.GetType().Name };
        }
    }

    // Not an attack: a filter that broke threads would pass every check above.
    private static SelfTestReport.Types.Check ThreadsStillWork()
    {
        bool inner = false;
        Thread thread = new(() => inner = Try("", SyscallTable.Current!.Socket, Inet, Stream).Blocked);
        thread.Start();
        thread.Join();
        return new SelfTestReport.Types.Check { Name = "tcp-socket-new-thread", Blocked = inner, Detail = inner ? $"errno {LibC.EPERM}" : "allowed" };
    }

    private void AnswerFromOldThread()
    {
        lock (_meeting)
        {
            while (true)
            {
                while (!_isAsked)
                {
                    Monitor.Wait(_meeting);
                }

                _isAsked = false;
                _answer = Try("tcp-socket-old-thread", SyscallTable.Current!.Socket, Inet, Stream);
                Monitor.PulseAll(_meeting);
            }
        }
    }
}
