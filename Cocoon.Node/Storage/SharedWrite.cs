namespace Cocoon.Node.Storage;

/// <summary>A write of figures that go on changing: all that changed while it waits for its turn at the disk is in it.</summary>
/// <remarks>Thread-safe. Guarded by its owner's lock, as the figures are: one that is asked for is never thought to have them and has not.</remarks>
/// <param name="gate">The owner's lock. May be held while a write is asked for.</param>
/// <param name="write">Writes once. Calls what it is given when it reads the figures in its transaction, with the lock held.</param>
internal sealed class SharedWrite(Lock gate, Func<Action, Task> write)
{
    private Task _last = Task.CompletedTask;
    private bool _isWaiting;

    /// <summary>Nothing is waiting or under way.</summary>
    public bool IsIdle
    {
        get
        {
            lock (gate)
            {
                return !_isWaiting && _last.IsCompleted;
            }
        }
    }

    /// <summary>The last write is done and did not fail.</summary>
    public bool HasSucceeded
    {
        get
        {
            lock (gate)
            {
                return _last.IsCompletedSuccessfully;
            }
        }
    }

    /// <summary>Completes when a write that has the figures of now in it is done; fails as that does.</summary>
    public Task RequestAsync()
    {
        lock (gate)
        {
            if (!_isWaiting)
            {
                _isWaiting = true;
                _last = WriteAsync();
            }

            return _last;
        }
    }

    private async Task WriteAsync()
    {
        bool isTaken = false;
        try
        {
            await write(() => (isTaken, _isWaiting) = (true, false));
        }
        catch
        {
            lock (gate)
            {
                _isWaiting &= isTaken;
            }

            throw;
        }
    }
}
