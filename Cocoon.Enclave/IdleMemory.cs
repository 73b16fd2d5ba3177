using System.Runtime;
using Cocoon.Enclave.Hardening;

namespace Cocoon.Enclave;

/// <summary>Gives back to the system what work took and is not needed any more.</summary>
/// <remarks>
/// What requests run is compiled when it is first needed, and a crowd leaves empty room behind it; the C library and the collector keep
/// both for whatever comes next. The C library's goes back beside work: it costs nobody a wait. Collecting stops all threads, so that
/// waits until the enclave has rested for long. One caller at a time.
/// </remarks>
internal sealed class IdleMemory
{
    /// <summary>Looks after something was compiled: the compiler keeps its own memory for some seconds, in case there is more to compile.</summary>
    private const int CompilerRest = 6;

    /// <summary>Looks in a row without work before everything is collected.</summary>
    private const int Rest = 15;

    private readonly Func<long> _compiled;
    private long _compiledBefore;
    private int _untilTrim;
    private int _quiet;
    private int _collections = GC.CollectionCount(0);

    public IdleMemory()
        : this(() => JitInfo.GetCompiledMethodCount())
    {
    }

    /// <param name="compiled">How many methods have been compiled.</param>
    internal IdleMemory(Func<long> compiled) => (_compiled, _compiledBefore) = (compiled, compiled());

    public enum Given
    {
        Nothing,

        /// <summary>Free memory of the C library.</summary>
        Trimmed,

        /// <summary>That and what the collector had.</summary>
        Collected,
    }

    /// <summary>One look, every few seconds.</summary>
    public Given Look(bool isWorking)
    {
        _quiet = isWorking ? 0 : _quiet + 1;
        if (_quiet >= Rest && GC.CollectionCount(0) != _collections)
        {
            Release();
            _collections = GC.CollectionCount(0);
            return Given.Collected;
        }

        return IsTrimDue() ? Trim() : Given.Nothing;
    }

    /// <summary>Collects everything, closes the gaps, and returns what is free. Nothing runs for some milliseconds.</summary>
    public static void Release()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        Trim();
    }

    /// <summary>Once for each time that something was compiled, however often that is: what is compiled meanwhile begins the next wait.</summary>
    private bool IsTrimDue()
    {
        if (_untilTrim > 0)
        {
            return --_untilTrim == 0;
        }

        long compiled = _compiled();
        if (compiled != _compiledBefore)
        {
            _compiledBefore = compiled;
            _untilTrim = CompilerRest;
        }

        return false;
    }

    private static Given Trim()
    {
        if (OperatingSystem.IsLinux())
        {
            LibC.TrimHeap();
        }

        return Given.Trimmed;
    }
}
