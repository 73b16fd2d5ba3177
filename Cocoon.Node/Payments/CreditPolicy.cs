namespace Cocoon.Node.Payments;

/// <summary>How far a provider lets work run ahead of the vouchers it holds.</summary>
/// <param name="Maximum">The offer's <c>max_credit_nanoton</c>.</param>
/// <param name="Step">Most that one voucher leads by.</param>
internal readonly record struct CreditPolicy(ulong Maximum, ulong Step)
{
    /// <summary>0.01 TON: less than this paid, and the credit stays within <see cref="NewcomerCredit"/>.</summary>
    public const ulong NewcomerUntil = 10_000_000;

    /// <summary>0.001 TON.</summary>
    public const ulong NewcomerCredit = 1_000_000;

    /// <summary>Nothing on a channel that has paid nothing; then the larger of one step and a tenth of what was paid, within the maximum.</summary>
    public ulong For(ulong paid)
    {
        if (paid == 0)
        {
            return 0;
        }

        ulong credit = Math.Min(Maximum, Math.Max(Step, paid / 10));
        return paid < NewcomerUntil ? Math.Min(credit, NewcomerCredit) : credit;
    }
}
