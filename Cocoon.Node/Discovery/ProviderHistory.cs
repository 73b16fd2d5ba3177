using Cocoon.Protocol.Identity;

namespace Cocoon.Node.Discovery;

/// <summary>What this node itself saw of one provider. Thread-safe.</summary>
/// <param name="observed">Told of every answer and failure.</param>
internal sealed class ProviderHistory(PeerId peer, TimeProvider time, Action<ProviderOutcome>? observed = null)
{
    /// <summary>Weight of the newest observation in the moving averages.</summary>
    private const double Newest = 0.3;

    private const string RefusedEvidence = nameof(Sessions.InferenceFailure.AttestationRefused), RefusedTier = nameof(Sessions.InferenceFailure.TierRefused);

    /// <summary>How long a provider that failed and never brought a word comes after all others; doubled with each failure. Own choice.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(30), LongestPause = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _failures = [];
    private DateTimeOffset _failedAt;

    public PeerId Peer { get; } = peer;

    public int Answers { get; private set; }

    public int Failures { get; private set; }

    public TimeSpan? TimeToFirstToken { get; private set; }

    public double? TokensPerSecond { get; private set; }

    /// <summary>What our appraisal of its enclave last said; <c>null</c> while there was none.</summary>
    public Appraisal? LastAppraisal { get; private set; }

    /// <summary>Of the prompt tokens that it should have held in its prefix cache the share that it did, 1 while nothing is known; newest first.</summary>
    public double CacheYield { get; private set; } = 1;

    /// <summary>Share of requests that were answered, pulled towards 1 while there are few.</summary>
    public double Reliability
    {
        get
        {
            lock (_lock)
            {
                return (Answers + 2.0) / (Answers + Failures + 2.0);
            }
        }
    }

    /// <summary>It brought at least the beginning of an answer once: it exists, and has what it offers.</summary>
    public bool HasDelivered { get; private set; }

    /// <summary>
    /// It failed, has never brought a word of an answer, and others are to be asked before it. Peer ids cost nothing: somebody may offer in many names what he
    /// does not have, at a price that beats everybody's.
    /// </summary>
    public bool IsLeftAlone
    {
        get
        {
            lock (_lock)
            {
                double pause = Math.Min(FirstPause.TotalSeconds * Math.Pow(2, Math.Max(0, Failures - 1)), LongestPause.TotalSeconds);
                return !HasDelivered && Failures > 0 && time.GetUtcNow() < _failedAt.AddSeconds(pause);
            }
        }
    }

    public IReadOnlyDictionary<string, int> FailuresByReason
    {
        get
        {
            lock (_lock)
            {
                return new Dictionary<string, int>(_failures);
            }
        }
    }

    public void RecordAnswer(TimeSpan timeToFirstToken, double? tokensPerSecond)
    {
        lock (_lock)
        {
            Answers++;
            HasDelivered = true;
            TimeToFirstToken = TimeToFirstToken is { } known
                ? (known * (1 - Newest)) + (timeToFirstToken * Newest)
                : timeToFirstToken;
            if (tokensPerSecond is { } rate)
            {
                TokensPerSecond = TokensPerSecond is { } knownRate ? (knownRate * (1 - Newest)) + (rate * Newest) : rate;
            }
        }

        observed?.Invoke(new ProviderOutcome(Peer, null, timeToFirstToken, tokensPerSecond));
    }

    /// <summary>The first words of an answer are here.</summary>
    public void RecordDelivery()
    {
        lock (_lock)
        {
            HasDelivered = true;
        }
    }

    /// <param name="expectedTokens">Of the prompt, by what it read for us before; nothing is learned from none.</param>
    public void RecordCache(double expectedTokens, uint cachedTokens)
    {
        if (expectedTokens >= 1)
        {
            lock (_lock)
            {
                CacheYield = (CacheYield * (1 - Newest)) + (Math.Min(1, cachedTokens / expectedTokens) * Newest);
            }
        }
    }

    /// <param name="reason">A word of a closed set.</param>
    public void RecordFailure(string reason)
    {
        lock (_lock)
        {
            Failures++;
            _failedAt = time.GetUtcNow();
            _failures[reason] = _failures.GetValueOrDefault(reason) + 1;
            if (reason is RefusedEvidence or RefusedTier)
            {
                LastAppraisal = new Appraisal("refused", time.GetUtcNow());
            }
        }

        observed?.Invoke(new ProviderOutcome(Peer, reason, null, null));
    }

    /// <summary>The enclave's evidence passed our policy.</summary>
    public void RecordAppraised()
    {
        lock (_lock)
        {
            LastAppraisal = new Appraisal("ok", time.GetUtcNow());
        }
    }
}

/// <param name="Verdict"><c>ok</c> or <c>refused</c>.</param>
internal sealed record Appraisal(string Verdict, DateTimeOffset At);

/// <param name="Failure"><c>null</c> for an answer.</param>
internal sealed record ProviderOutcome(PeerId Peer, string? Failure, TimeSpan? TimeToFirstToken, double? TokensPerSecond);
