using System.Runtime.CompilerServices;

namespace Cocoon.Tests.Support;

/// <summary>Runs one piece of work at a time in the order posted, and knows when nothing is left: then virtual time may pass.</summary>
/// <remarks>Enter it with <c>await VirtualLoop.Enter();</c>; everything that the test starts afterwards runs on it.</remarks>
internal sealed class VirtualLoop : SynchronizationContext
{
    private readonly Lock _lock = new();
    private readonly Queue<(SendOrPostCallback Callback, object? State)> _work = new();
    private readonly Queue<TaskCompletionSource> _idle = new();
    private bool _running;

    /// <summary>Continues the caller on a new loop.</summary>
    public static Entry Enter() => new(new VirtualLoop());

    public override void Post(SendOrPostCallback d, object? state)
    {
        lock (_lock)
        {
            _work.Enqueue((d, state));
            if (_running)
            {
                return;
            }

            _running = true;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static loop => loop.Drain(), this, preferLocal: false);
    }

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("Nothing may wait for the loop.");

    public override SynchronizationContext CreateCopy() => this;

    /// <summary>Completes when the loop has nothing else to run.</summary>
    public Task IdleAsync()
    {
        TaskCompletionSource idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            _idle.Enqueue(idle);
        }

        Post(static _ => { }, null);
        return idle.Task;
    }

    private void Drain()
    {
        SynchronizationContext? outer = Current;
        SetSynchronizationContext(this);
        try
        {
            while (TryTake(out (SendOrPostCallback Callback, object? State) work))
            {
                work.Callback(work.State);
            }
        }
        finally
        {
            SetSynchronizationContext(outer);
        }
    }

    private bool TryTake(out (SendOrPostCallback Callback, object? State) work)
    {
        lock (_lock)
        {
            if (_work.TryDequeue(out work))
            {
                return true;
            }

            if (_idle.TryDequeue(out TaskCompletionSource? idle))
            {
                work = (static state => ((TaskCompletionSource)state!).SetResult(), idle);
                return true;
            }

            _running = false;
            return false;
        }
    }

    internal readonly struct Entry(VirtualLoop loop) : INotifyCompletion
    {
        public bool IsCompleted => false;

        public Entry GetAwaiter() => this;

        public void OnCompleted(Action continuation) => loop.Post(static state => ((Action)state!)(), continuation);

        public void GetResult()
        {
        }
    }
}
