using System.Runtime.CompilerServices;

namespace Cocoon.Protocol.Attestation;

/// <summary>Accepted appraisals, so that a client does not verify the same evidence for every session. Bounded; the oldest go first.</summary>
/// <remarks>
/// An entry is for one bundle, policy and subject, and ends with the evidence, its collateral or <see cref="RecheckAfter"/>, whichever is
/// first. Refusals are not kept: what was missing may come. Thread-safe.
/// </remarks>
internal sealed class AppraisalCache(EvidenceAppraiser appraiser, int capacity = AppraisalCache.DefaultCapacity)
{
    public const int DefaultCapacity = 256;

    /// <summary>Longest time between two verifications of evidence in use.</summary>
    public static readonly TimeSpan RecheckAfter = TimeSpan.FromMinutes(10);

    /// <summary>A policy never changes, so its text is made once.</summary>
    private static readonly ConditionalWeakTable<AppraisalPolicy, string> Texts = [];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

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
        if (result.IsAccepted)
        {
            Keep(key, new Entry(result, now, result.ValidUntil < now + RecheckAfter ? result.ValidUntil : now + RecheckAfter));
        }

        return result;
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
