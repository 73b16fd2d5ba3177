namespace Cocoon.Node.Payments;

/// <summary>Which readings of one channel's account a client takes in.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class ChannelReadings
{
    /// <summary>One server's word that an account is gone is believed when it says so for this long.</summary>
    internal static readonly TimeSpan GoneAfter = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();

    /// <summary>Newest chain time that a reading had.</summary>
    private uint _readAt;

    /// <summary>Chain time of the first that showed no account.</summary>
    private uint? _goneSince;

    /// <summary>Whether a reading of the chain is to be taken in: not one that is late, nor one server's first word that the account is gone.</summary>
    /// <param name="phase">The channel's, before the reading.</param>
    public bool Believes(ChannelAccount account, ChannelPhase phase)
    {
        lock (_lock)
        {
            if (account.ChainTime < _readAt)
            {
                return false;
            }

            _readAt = account.ChainTime;
            if (account.State is not null)
            {
                _goneSince = null;
                return true;
            }

            // What ended it sees its own refund; this is for what was ended elsewhere.
            _goneSince ??= account.ChainTime;
            return account.Corroborated || phase == ChannelPhase.Opening || account.ChainTime >= _goneSince + (long)GoneAfter.TotalSeconds;
        }
    }
}
