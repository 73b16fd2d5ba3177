using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Hardening;

/// <summary>The few C library entries that hardening needs. Linux only.</summary>
internal static unsafe partial class LibC
{
    public const int PR_SET_PDEATHSIG = 1;
    public const int PR_GET_DUMPABLE = 3;
    public const int PR_SET_DUMPABLE = 4;
    public const int PR_SET_NO_NEW_PRIVS = 38;
    public const int PR_GET_NO_NEW_PRIVS = 39;
    public const int PR_CAPBSET_DROP = 24;
    public const int RLIMIT_CORE = 4;
    public const int RLIMIT_MEMLOCK = 8;
    public const int SIGKILL = 9;
    public const int MCL_CURRENT = 1;
    public const int MCL_FUTURE = 2;
    public const int MCL_ONFAULT = 4;
    public const int MADV_DONTDUMP = 16;
    public const int O_RDONLY = 0;
    public const int O_RDWR = 2;
    public const int O_PATH = 0x200000;
    public const int O_CLOEXEC = 0x80000;
    public const int F_SETPIPE_SZ = 1031;

    public const int EPERM = 1;
    public const int EACCES = 13;
    public const int ENOSYS = 38;

    private const string Library = "libc";

    public struct RLimit
    {
        public ulong Current;
        public ulong Maximum;
    }

    [LibraryImport(Library, SetLastError = true)]
    public static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int setrlimit(int resource, RLimit* limit);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int getrlimit(int resource, RLimit* limit);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int mlockall(int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int mlock(void* address, nuint length);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int madvise(void* address, nuint length, int advice);

    [LibraryImport(Library)]
    public static partial int getppid();

    [LibraryImport(Library, SetLastError = true)]
    public static partial int fcntl(int descriptor, int command, nint argument);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int dup(int descriptor);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int dup2(int from, int to);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int open(string path, int flags);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int close(int descriptor);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int execve(string path, byte** arguments, byte** environment);

    /// <summary>Every argument in a full register: the variadic C function reads longs.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial nint syscall(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

    /// <summary>Lets glibc's allocator keep few arenas, one for every thread otherwise; nothing where the C library is another.</summary>
    public static void LimitArenas(int most)
    {
        const int maxArenas = -8;
        if (NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "mallopt", out nint mallopt))
        {
            _ = ((delegate* unmanaged<int, int, int>)mallopt)(maxArenas, most);
        }
    }

    /// <summary>Gives back to the system what glibc's allocator holds and nobody uses; nothing where the C library is another.</summary>
    public static void TrimHeap()
    {
        if (NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "malloc_trim", out nint trim))
        {
            _ = ((delegate* unmanaged<nuint, int>)trim)(0);
        }
    }
}
