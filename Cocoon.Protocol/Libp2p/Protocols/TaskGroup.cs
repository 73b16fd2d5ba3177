namespace Cocoon.Protocol.Libp2p.Protocols;

/// <summary>Tasks started by a component, kept until they end so that its disposal can await every one of them.</summary>
internal sealed class TaskGroup
{
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _running = [];
    private bool _closed;

    /// <summary>
    /// Runs <paramref name="body"/>; nothing starts once <see cref="CloseAsync"/> was called. The body handles its own errors:
    /// what it throws surfaces when the group is closed.
    /// </summary>
    public void Run(Func<Task> body)
    {
        TaskCompletionSource started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            Task task = RunAsync(body, started.Task);
            _running.Add(task);
            _ = task.ContinueWith(Remove, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        started.SetResult();
    }

    /// <summary>Refuses new tasks and awaits the running ones; the caller has signalled them to end.</summary>
    public async Task CloseAsync()
    {
        Task[] running;
        lock (_gate)
        {
            _closed = true;
            running = [.. _running];
        }

        await Task.WhenAll(running);
    }

    /// <summary>The body starts off the caller's stack: it may be called under a lock or on the host's loop.</summary>
    private static async Task RunAsync(Func<Task> body, Task started)
    {
        await started;
        await body();
    }

    private void Remove(Task task)
    {
        if (task.IsFaulted)
        {
            // Kept: closing the group reports it.
            return;
        }

        lock (_gate)
        {
            _running.Remove(task);
        }
    }
}
