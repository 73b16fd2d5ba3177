using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Inference;

/// <summary>Lets one thread sleep until another wakes it. Waking it is one call into the kernel, or none while it does not sleep.</summary>
/// <remarks>
/// The runtime's own events hold a mutex that the woken thread wants at once, so that whoever wakes it calls the kernel twice and may lose
/// the processor twice. POSIX semaphores of Linux have none; elsewhere it is a runtime's monitor. A thread that waits returns at least once
/// after each call of <see cref="Set"/>, and may return more often.
/// </remarks>
internal sealed unsafe partial class WakeEvent
{
    /// <summary>Larger than any C library's semaphore on Linux (32 bytes), and aligned for it.</summary>
    private const int SemaphoreWords = 8;

    private const int EINTR = 4;

    // Never freed by hand: a late call of Set finds it as long as this object lives.
    private readonly ulong[]? _semaphore;

    private readonly object _gate = new();
    private bool _isSet;

    public WakeEvent()
    {
        if (OperatingSystem.IsLinux())
        {
            _semaphore = GC.AllocateArray<ulong>(SemaphoreWords, pinned: true);
            Check(sem_init(Semaphore, 0, 0));
        }
    }

    private void* Semaphore => Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_semaphore!));

    /// <summary>Any thread. Allocates nothing.</summary>
    public void Set()
    {
        if (_semaphore is null)
        {
            lock (_gate)
            {
                _isSet = true;
                Monitor.Pulse(_gate);
            }

            return;
        }

        Check(sem_post(Semaphore));
        GC.KeepAlive(this);
    }

    /// <summary>One thread at a time.</summary>
    public void Wait()
    {
        if (_semaphore is null)
        {
            lock (_gate)
            {
                while (!_isSet)
                {
                    Monitor.Wait(_gate);
                }

                _isSet = false;
            }

            return;
        }

        while (sem_wait(Semaphore) != 0)
        {
            if (Marshal.GetLastPInvokeError() is var error && error != EINTR)
            {
                throw new InvalidOperationException($"sem_wait failed with error {error}");
            }
        }

        GC.KeepAlive(this);
    }

    private static void Check(int result)
    {
        if (result != 0)
        {
            throw new InvalidOperationException($"a semaphore failed with error {Marshal.GetLastPInvokeError()}");
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sem_init(void* semaphore, int shared, uint value);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sem_post(void* semaphore);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sem_wait(void* semaphore);
}
