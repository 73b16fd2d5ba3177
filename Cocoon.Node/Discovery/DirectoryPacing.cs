namespace Cocoon.Node.Discovery;

/// <summary>When a provider repeats its directory: Trickle (RFC 6206), so that a model is announced as often for one provider as for ten thousand.</summary>
/// <remarks>
/// Each interval is twice as long as the one before. At one point in its second half the provider speaks, unless enough others have
/// announced the same model since the interval began. What changed is said at once. Not thread-safe.
/// </remarks>
/// <param name="phase">0 to 1, different for each provider, so that they do not all decide at the same moment.</param>
internal sealed class DirectoryPacing(TimeProvider time, double phase)
{
    /// <summary>Others' announcements of a model that make ours redundant.</summary>
    public const int Redundancy = 3;

    public static readonly TimeSpan Shortest = TimeSpan.FromSeconds(20);

    /// <summary>A directory lives for five minutes: two announcements may be lost.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);

    private DateTimeOffset _begun;
    private TimeSpan _interval;
    private bool _decided;

    /// <summary>Goes on as that of a provider which has announced the same for long: somewhere in a longest interval.</summary>
    public void Resume() => (_begun, _interval, _decided) = (time.GetUtcNow() - (phase * Longest), Longest, false);

    /// <summary>Asked now and then; whether to publish now.</summary>
    /// <param name="isNew">What would be published differs from the last time.</param>
    /// <param name="heardSince">How many others announced the same since a moment.</param>
    public bool IsDue(bool isNew, Func<DateTimeOffset, int> heardSince)
    {
        DateTimeOffset now = time.GetUtcNow();
        if (isNew || _interval == TimeSpan.Zero)
        {
            (_begun, _interval, _decided) = (now, Shortest, true);
            return true;
        }

        if (now >= _begun + _interval)
        {
            _interval = 2 * _interval < Longest ? 2 * _interval : Longest;
            (_begun, _decided) = (now, false);
        }

        if (_decided || now < _begun + ((0.5 + (phase / 2)) * _interval))
        {
            return false;
        }

        _decided = true;
        return heardSince(_begun) < Redundancy;
    }
}
