using Cocoon.Node.Storage;

namespace Cocoon.Node.Payments;

/// <content>
/// What is owed, on the disk. While requests come and go it is written now and then, with the most that may be owed by the time of the next
/// write; it is exact a moment after the last of them. So most requests wait for no write of ours, and after a crash the provider is
/// believed what it truthfully says.
/// </content>
internal sealed partial class ClientChannel
{
    /// <summary>Between two writes of what whole requests cost.</summary>
    internal static readonly TimeSpan DuesInterval = TimeSpan.FromMilliseconds(200);

    private readonly CancellationTokenSource _stopping = new();
    private readonly SharedWrite _duesWrite;
    private Task _settling = Task.CompletedTask;
    private bool _isSettling;

    /// <summary>A request ended since the last write began.</summary>
    private bool _isBusy;

    /// <summary>The last write said what is owed and no more: nothing ran, and nothing had just ended.</summary>
    private bool _isExact;

    /// <summary>At most what the disk says may be owed; 0 while that is not known.</summary>
    private ulong _storedMayOwe;
    private ulong _duesTaken;

    /// <summary>The most that ran at a time since all was quiet, and the longest step of them.</summary>
    private int _mostLive;
    private ulong _longestStep;

    /// <summary>Settles the session at what it really cost, in memory at once and on the disk soon: no other write is waited for.</summary>
    internal void EndSoon(ClientSession session, ulong due)
    {
        lock (_lock)
        {
            if (!_live.Remove(session.Id))
            {
                return;
            }

            _ended = checked(_ended + due);
            _isBusy = true;
            if (!_isSettling)
            {
                _isSettling = true;
                _settling = SettleAsync();
            }
        }
    }

    /// <summary>Completes when what is owed is on the disk exactly. Nothing may begin after it.</summary>
    internal async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _settling;
    }

    private async Task SettleAsync()
    {
        // The lock is held up to here.
        await Task.Delay(DuesInterval, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (true)
        {
            bool isLast;
            lock (_lock)
            {
                isLast = _stopping.IsCancellationRequested;
                _isBusy &= !isLast;
            }

            await SaveDuesTogetherAsync(CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            lock (_lock)
            {
                // What could not be written is tried again. What runs now comes back here when it ends.
                if (isLast || (!_isBusy && (_isExact || _live.Count > 0) && _duesWrite.HasSucceeded))
                {
                    _isSettling = false;
                    return;
                }
            }

            await Task.Delay(DuesInterval, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Stores what is owed, once for all sessions that end while the disk is busy.</summary>
    private Task SaveDuesTogetherAsync(CancellationToken cancellationToken) => _duesWrite.RequestAsync().WaitAsync(cancellationToken);

    private async Task SaveDuesAsync(Action taken)
    {
        DuesWrite write = new(this);
        try
        {
            await _store.SaveDuesAsync(Channel, TakeDues, CancellationToken.None);
        }
        catch
        {
            lock (_lock)
            {
                _isBusy = true;
            }

            throw;
        }

        write.Stored();

        ClientDues TakeDues()
        {
            lock (_lock)
            {
                taken();
                return write.Take(_record.HighestTotal);
            }
        }
    }

    /// <summary>Whether the disk says that as much may be owed as truly may.</summary>
    private bool IsForeseen()
    {
        lock (_lock)
        {
            return Owed().MayOwe <= _storedMayOwe;
        }
    }

    /// <summary>One write of what is owed: between its transaction and its end nobody knows what is on the disk.</summary>
    private sealed class DuesWrite(ClientChannel channel)
    {
        private ulong _number;
        private ulong _mayOwe;

        /// <summary>Called in the transaction.</summary>
        /// <param name="total">Highest total on the disk after it.</param>
        public ClientDues Take(ulong total)
        {
            lock (channel._lock)
            {
                ClientDues owed = channel.Owed();
                channel._isExact = channel._live.Count == 0 && !channel._isBusy;
                if (!channel._isExact)
                {
                    // The next requests may run as far as the total covers, and each a step further.
                    ulong foreseen = checked(total + channel._unseen + ((ulong)channel._mostLive * channel._longestStep));
                    owed = owed with { MayOwe = Math.Max(owed.MayOwe, foreseen) };
                }
                else
                {
                    (channel._mostLive, channel._longestStep) = (0, 0);
                }

                channel._isBusy = false;
                _number = ++channel._duesTaken;
                _mayOwe = owed.MayOwe;
                channel._storedMayOwe = Math.Min(channel._storedMayOwe, owed.MayOwe);
                return owed;
            }
        }

        public void Stored()
        {
            lock (channel._lock)
            {
                // A later write may be under way already.
                if (_number == channel._duesTaken)
                {
                    channel._storedMayOwe = _mayOwe;
                }
            }
        }
    }
}
