namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Attempts of which one has to succeed, each begun when its time has come or when all before it have failed (RFC 8305, section 5).</summary>
/// <remarks>The first result wins; the other attempts are cancelled, and what they still bring is disposed of.</remarks>
internal sealed class StaggeredRace<T>(int parallel, TimeProvider time)
    where T : class, IAsyncDisposable
{
    private readonly Queue<(TimeSpan At, Func<CancellationToken, Task<T>> Begin)> _waiting = new();
    private readonly List<Task<T>> _running = [];

    /// <summary>Why the last attempt that failed did.</summary>
    public Exception? LastFailure { get; private set; }

    /// <param name="at">Since the start of the race; not before that of the attempt added last.</param>
    public void Add(TimeSpan at, Func<CancellationToken, Task<T>> begin) => _waiting.Enqueue((at, begin));

    /// <summary>The first result; <c>null</c> when all attempts failed or were cancelled.</summary>
    public async Task<T?> RunAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        long start = time.GetTimestamp();
        T? winner = null;
        while (winner is null && !stop.IsCancellationRequested)
        {
            TimeSpan passed = time.GetElapsedTime(start);
            while (_running.Count < parallel && _waiting.TryPeek(out (TimeSpan At, Func<CancellationToken, Task<T>> Begin) next) && (_running.Count == 0 || next.At <= passed))
            {
                _waiting.Dequeue();
                _running.Add(next.Begin(stop.Token));
            }

            if (_running.Count == 0)
            {
                break;
            }

            Task? pause = _running.Count < parallel && _waiting.TryPeek(out (TimeSpan At, Func<CancellationToken, Task<T>> Begin) later)
                ? Task.Delay(later.At - passed, time, stop.Token)
                : null;
            Task first = pause is null ? await Task.WhenAny(_running) : await Task.WhenAny([.. _running, pause]);
            if (first is Task<T> done)
            {
                _running.Remove(done);
                winner = done.IsCompletedSuccessfully ? done.Result : null;
                LastFailure = done.Exception?.InnerException ?? LastFailure;
            }
        }

        await stop.CancelAsync();
        foreach (Task<T> loser in _running)
        {
            await loser.ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            if (loser.IsCompletedSuccessfully)
            {
                await loser.Result.DisposeAsync();
            }
        }

        return winner;
    }
}
