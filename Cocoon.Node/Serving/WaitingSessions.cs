namespace Cocoon.Node.Serving;

/// <summary>Open sessions by whose they are, and which one gives its place up when all are taken: one without a request costs its client nothing.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class WaitingSessions(TimeProvider time)
{
    /// <summary>What a client is given to read the Welcome and ask. Own choice.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly List<Entry> _entries = [];

    /// <param name="owner">Who has it: a network, or a peer where that says nothing.</param>
    public Entry Add(string owner)
    {
        Entry entry = new(this, owner, time.GetTimestamp());
        lock (_lock)
        {
            _entries.Add(entry);
        }

        return entry;
    }

    /// <summary>Ends the oldest session without a request of who has most of these, and waits until it is gone; <c>false</c> when there is none.</summary>
    public async Task<bool> TryMakeRoomAsync(CancellationToken cancellationToken)
    {
        Entry? chosen;
        lock (_lock)
        {
            chosen = _entries
                .Where(entry => !entry.IsLeaving && time.GetElapsedTime(entry.Since) >= Patience && entry.IsWaiting())
                .GroupBy(entry => entry.Owner)
                .MaxBy(group => group.Count())?
                .MinBy(entry => entry.Since);
            if (chosen is null)
            {
                return false;
            }

            chosen.IsLeaving = true;
        }

        await chosen.EndAsync(cancellationToken);
        return true;
    }

    /// <summary>One open session; disposed when it is over and has given all of its places back.</summary>
    public sealed class Entry(WaitingSessions sessions, string owner, long since) : IDisposable
    {
        private volatile Func<bool>? _isWaiting;

        private readonly CancellationTokenSource _leave = new();
        private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Cancelled when somebody else needs the place.</summary>
        public CancellationToken Leave => _leave.Token;

        internal string Owner => owner;

        internal long Since => since;

        internal bool IsLeaving { get; set; }

        /// <param name="isWaiting">Whether no request runs in it; before this is known it is not ended.</param>
        public void Begin(Func<bool> isWaiting) => _isWaiting = isWaiting;

        internal bool IsWaiting() => _isWaiting?.Invoke() == true;

        public void Dispose()
        {
            lock (sessions._lock)
            {
                sessions._entries.Remove(this);
            }

            // Its source is left to the collector: who ends it may be about to. Without a timer it holds nothing.
            _over.TrySetResult();
        }

        internal async Task EndAsync(CancellationToken cancellationToken)
        {
            await _leave.CancelAsync();
            await _over.Task.WaitAsync(cancellationToken);
        }
    }
}
