using Cocoon.Enclave.Hardening;

namespace Cocoon.Enclave;

/// <summary>Gives back to the system what work took and rest does not need.</summary>
/// <remarks>
/// The first requests compile what they run, and a crowd leaves empty room behind it; the collector and the C library keep both for
/// whatever comes next. Once the enclave has rested for some looks, that is nobody's. One caller at a time.
/// </remarks>
internal sealed class IdleMemory
{
    /// <summary>So many looks in a row without work: the compiler lets go of its own memory some seconds after it was needed.</summary>
    private const int Rest = 3;

    private int _quiet;
    private int _collections = GC.CollectionCount(0);

    /// <summary>One look, every few seconds. Works only when something was collected since the last time, and nothing runs.</summary>
    /// <returns>Whether memory was given back.</returns>
    public bool Look(bool isWorking)
    {
        if (isWorking)
        {
            _quiet = 0;
            return false;
        }

        if (GC.CollectionCount(0) == _collections || ++_quiet < Rest)
        {
            return false;
        }

        Release();
        _quiet = 0;
        _collections = GC.CollectionCount(0);
        return true;
    }

    /// <summary>Collects everything, closes the gaps, and returns what is free. Takes some milliseconds.</summary>
    public static void Release()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        if (OperatingSystem.IsLinux())
        {
            LibC.TrimHeap();
        }
    }
}
