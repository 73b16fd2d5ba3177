namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Attempts of which one has to succeed, each begun when its time has come or when the one before it has failed (RFC 8305, section 5).</summary>
/// <remarks>
/// Attempts of one track make room for each other: a failure brings the track's next one forward, and with it all behind it. Another
/// track keeps its time, unless nothing else runs. The first result wins; the other attempts are cancelled, and what they still bring is
/// disposed of.
/// </remarks>
internal sealed class StaggeredRace<T>(int parallel, TimeProvider time)
    where T : class, IAsyncDisposable
{
    private readonly SortedDictionary<int, Track> _tracks = [];
    private readonly List<(Task<T> Attempt, Track Of)> _running = [];

    /// <summary>Why the last attempt that failed did.</summary>
    public Exception? LastFailure { get; private set; }

    /// <param name="at">Since the start of the race; not before that of the attempt added last to the same track.</param>
    public void Add(TimeSpan at, Func<CancellationToken, Task<T>> begin, int track = 0)
    {
        if (!_tracks.TryGetValue(track, out Track? of))
        {
            _tracks[track] = of = new Track();
        }

        of.Waiting.Enqueue((at, begin));
    }

    /// <summary>The first result; <c>null</c> when all attempts failed or were cancelled.</summary>
    public async Task<T?> RunAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        long start = time.GetTimestamp();
        T? winner = null;
        while (winner is null && !stop.IsCancellationRequested)
        {
            TimeSpan passed = time.GetElapsedTime(start);
            while (_running.Count < parallel && Next() is { } due && (_running.Count == 0 || due.NextAt <= passed))
            {
                due.BringForward(passed);
                _running.Add((due.Waiting.Dequeue().Begin(stop.Token), due));
            }

            if (_running.Count == 0)
            {
                break;
            }

            Task? pause = _running.Count < parallel && Next() is { } later ? Task.Delay(later.NextAt - passed, time, stop.Token) : null;
            Task first = await Task.WhenAny([.. _running.Select(running => running.Attempt), .. pause is null ? [] : (Task[])[pause]]);
            if (first is Task<T> done)
            {
                int index = _running.FindIndex(running => running.Attempt == done);
                _running[index].Of.BringForward(time.GetElapsedTime(start));
                _running.RemoveAt(index);
                winner = done.IsCompletedSuccessfully ? done.Result : null;
                LastFailure = done.Exception?.InnerException ?? LastFailure;
            }
        }

        await stop.CancelAsync();
        foreach ((Task<T> loser, _) in _running)
        {
            await loser.ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            if (loser.IsCompletedSuccessfully)
            {
                await loser.Result.DisposeAsync();
            }
        }

        return winner;
    }

    private Track? Next() => _tracks.Values.Where(track => track.Waiting.Count > 0).MinBy(track => track.NextAt);

    private sealed class Track
    {
        private TimeSpan _forward;

        public Queue<(TimeSpan At, Func<CancellationToken, Task<T>> Begin)> Waiting { get; } = new();

        /// <summary>When its next attempt is due.</summary>
        public TimeSpan NextAt => Waiting.Peek().At - _forward;

        /// <summary>Its next attempt is due now; those behind it keep their distance.</summary>
        public void BringForward(TimeSpan now)
        {
            if (Waiting.Count > 0 && NextAt > now)
            {
                _forward += NextAt - now;
            }
        }
    }
}
