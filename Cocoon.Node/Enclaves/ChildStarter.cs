using System.Collections.Concurrent;
using System.Diagnostics;

namespace Cocoon.Node.Enclaves;

/// <summary>Starts processes from one thread that lives as long as this object.</summary>
/// <remarks>
/// A child's parent-death signal fires when the thread that forked it ends, not the process: a pool thread that retires would kill a
/// healthy enclave.
/// </remarks>
internal sealed class ChildStarter : IDisposable
{
    private readonly BlockingCollection<(ProcessStartInfo Info, TaskCompletionSource<Process> Done)> _requests = [];
    private readonly Thread _thread;

    public ChildStarter()
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "enclave starter" };
        _thread.Start();
    }

    public Task<Process> StartAsync(ProcessStartInfo info)
    {
        TaskCompletionSource<Process> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _requests.Add((info, done));
        return done.Task;
    }

    /// <summary>Ends the thread, and with it every child that is still running.</summary>
    public void Dispose()
    {
        _requests.CompleteAdding();
        _thread.Join();
        _requests.Dispose();
    }

    private void Run()
    {
        foreach ((ProcessStartInfo info, TaskCompletionSource<Process> done) in _requests.GetConsumingEnumerable())
        {
            try
            {
                done.SetResult(Process.Start(info) ?? throw new InvalidOperationException("no process was started"));
            }
            catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException or IOException)
            {
                done.SetException(e);
            }
        }
    }
}
