namespace Cocoon.Node.Sessions;

/// <summary>Decides how far ahead of the metered due a client vouches for one session. Arithmetic only.</summary>
/// <remarks>
/// The client leads by at most one step, so a provider that vanishes costs at most that; it never vouches above its own bound.
/// In fast shape a voucher goes out when less than half a step of lead is left, so that tokens do not wait for a signature.
/// </remarks>
internal sealed class PaymentPacer(ulong step, ulong bound)
{
    private ulong _allocated;
    private bool _final;

    public ulong Due { get; private set; }

    public ulong Bound => bound;

    /// <summary>What this session may cost by the vouchers so far.</summary>
    public ulong Allocated => _allocated;

    /// <summary>The most that may have been served: a provider runs up to one step ahead of what was vouched.</summary>
    public ulong Exposure => Math.Min(bound, _allocated > ulong.MaxValue - step ? ulong.MaxValue : _allocated + step);

    /// <summary>The allocation for the request itself: one step.</summary>
    public ulong First() => Raise(Math.Min(step, bound));

    /// <summary>Notes the cumulative due. Dues never fall; one above the bound is the provider's fault, and is neither noted nor ever paid.</summary>
    /// <returns><c>false</c> when the due exceeds the bound: cancel.</returns>
    public bool Observe(ulong due)
    {
        if (due > bound)
        {
            return false;
        }

        Due = Math.Max(Due, due);
        return true;
    }

    /// <summary>The allocation to vouch now, or <c>null</c> while there is lead enough.</summary>
    public ulong? NextFast() => Lead() * 2 < step && _allocated < bound ? Raise(Target()) : null;

    /// <summary>The allocation of this block's voucher; it repeats the last when nothing changed.</summary>
    public ulong NextBlock() => Raise(Target());

    /// <summary>The allocation that covers the final due.</summary>
    public ulong Final(ulong due)
    {
        Observe(due);
        _final = true;
        return Raise(Target());
    }

    private ulong Lead() => _allocated > Due ? _allocated - Due : 0;

    private ulong Target() => Math.Min(_final ? Due : Due > ulong.MaxValue - step ? ulong.MaxValue : Due + step, bound);

    private ulong Raise(ulong to) => _allocated = Math.Max(_allocated, to);
}
