using System.Runtime.CompilerServices;

namespace Cocoon.Protocol.Attestation;

/// <summary>Accepted appraisals, so that a client does not verify the same evidence for every session. Bounded; the oldest go first.</summary>
/// <remarks>
/// An entry is for one bundle, policy and subject, and ends with the evidence, its collateral or <see cref="RecheckAfter"/>, whichever is
/// first. Refusals are not kept: what was missing may come. Hardware evidence says no time: its age counts from when this client first
/// accepted it. Thread-safe.
/// </remarks>
internal sealed class AppraisalCache(EvidenceAppraiser appraiser, int capacity = AppraisalCache.DefaultCapacity)
{
    public const int DefaultCapacity = 256;

    /// <summary>Bundles whose age is remembered: a client's whole offer book, twice a day, for two days.</summary>
    private const int MaxSeen = 2048;

    /// <summary>Longest time between two verifications of evidence in use.</summary>
    public static readonly TimeSpan RecheckAfter = TimeSpan.FromMinutes(10);

    /// <summary>A policy never changes, so its text is made once.</summary>
    private static readonly ConditionalWeakTable<AppraisalPolicy, string> Texts = [];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();
    private readonly Dictionary<string, DateTimeOffset> _firstSeen = new(StringComparer.Ordinal);
    private readonly Queue<string> _seenOrder = new();

    /// <summary>As <see cref="EvidenceAppraiser.Appraise"/>.</summary>
    public AttestationResult Appraise(ReadOnlySpan<byte> bundle, AppraisalSubject subject, AppraisalPolicy policy, DateTimeOffset now)
    {
        string key = Key(bundle, subject, policy);
        lock (_lock)
        {
            if (_entries.TryGetValue(key, out Entry? known) && known.From <= now && now < known.Until)
            {
                return known.Result;
            }
        }

        AttestationResult result = appraiser.Appraise(bundle, subject, policy, now);
        if (result is { IsAccepted: true, Claims.IssuedAt: null })
        {
            // By what the hardware signed: its host can write the rest of a bundle in many ways.
            result = Aged(result, FirstSeen(Convert.ToHexString(result.Claims.ReportData.AsSpan()), now) + policy.MaxEvidenceAge, now);
        }

        if (result.IsAccepted)
        {
            Keep(key, new Entry(result, now, result.ValidUntil < now + RecheckAfter ? result.ValidUntil : now + RecheckAfter));
        }

        return result;
    }

    private static AttestationResult Aged(AttestationResult result, DateTimeOffset end, DateTimeOffset now) =>
        end < now ? result with { Verdict = Verdict.Refused, Reasons = [ReasonWords.EvidenceStale] }
        : end < result.ValidUntil ? result with { ValidUntil = end }
        : result;

    private DateTimeOffset FirstSeen(string digest, DateTimeOffset now)
    {
        lock (_lock)
        {
            if (_firstSeen.TryGetValue(digest, out DateTimeOffset seen))
            {
                return seen;
            }

            _firstSeen.Add(digest, now);
            _seenOrder.Enqueue(digest);
            if (_seenOrder.Count > MaxSeen)
            {
                _firstSeen.Remove(_seenOrder.Dequeue());
            }

            return now;
        }
    }

    private void Keep(string key, Entry entry)
    {
        lock (_lock)
        {
            if (!_entries.ContainsKey(key))
            {
                _order.Enqueue(key);
                while (_order.Count > capacity)
                {
                    _entries.Remove(_order.Dequeue());
                }
            }

            _entries[key] = entry;
        }
    }

    private static string Key(ReadOnlySpan<byte> bundle, AppraisalSubject subject, AppraisalPolicy policy) => string.Join(
        '|',
        Convert.ToHexString(EvidenceBundle.Digest(bundle)),
        Convert.ToHexString(subject.PeerId.Span),
        subject.Model?.ToString(),
        Convert.ToHexString(subject.Challenge.Span),
        Texts.GetValue(policy, AppraisalPolicyFile.Format));

    private sealed record Entry(AttestationResult Result, DateTimeOffset From, DateTimeOffset Until);
}
