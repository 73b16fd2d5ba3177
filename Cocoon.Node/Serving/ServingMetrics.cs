using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Serving;

/// <summary>Counts of a provider's sessions since start, for <c>status</c> and for meters. Tags come from closed sets.</summary>
internal sealed class ServingMetrics
{
    private readonly Counter<long> _sessions;
    private readonly Counter<long> _declines;
    private readonly ConcurrentDictionary<DeclineReason, long> _byReason = new();
    private long _requests, _earned, _declined;

    public ServingMetrics(IMeterFactory meters)
    {
        Meter meter = meters.Create("cocoon.serving");
        _sessions = meter.CreateCounter<long>("cocoon.serving.sessions", description: "Sessions that ran, by outcome");
        _declines = meter.CreateCounter<long>("cocoon.serving.declines", description: "Sessions declined, by reason");
    }

    /// <summary>Raised after a session ended, with its outcome and what is owed for it in nanoTON. Handlers return quickly.</summary>
    public event Action<string, ulong>? Ended;

    /// <summary>Raised after a session was declined. Handlers return quickly.</summary>
    public event Action<DeclineReason>? Refused;

    public long Requests => Interlocked.Read(ref _requests);

    public ulong EarnedNanoton => (ulong)Interlocked.Read(ref _earned);

    public long Declined => Interlocked.Read(ref _declined);

    public IReadOnlyDictionary<string, long> DeclinedByReason => _byReason.ToDictionary(e => DeclineWords.Of(e.Key), e => e.Value);

    public void SessionEnded(string outcome, ulong dueNanoton)
    {
        Interlocked.Increment(ref _requests);
        Interlocked.Add(ref _earned, (long)dueNanoton);
        _sessions.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
        Ended?.Invoke(outcome, dueNanoton);
    }

    public void SessionDeclined(DeclineReason reason)
    {
        Interlocked.Increment(ref _declined);
        _byReason.AddOrUpdate(reason, 1, static (_, n) => n + 1);
        _declines.Add(1, new KeyValuePair<string, object?>("reason", DeclineWords.Of(reason)));
        Refused?.Invoke(reason);
    }
}
