using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Diagnostics;

/// <summary>Judges this machine's clock by others': of the newest block, and of offers just heard.</summary>
internal static class ClockSkew
{
    /// <summary>Block times are whole seconds and may lead a little, in seconds.</summary>
    private const double Tolerance = 5;

    /// <remarks>
    /// What is newer than our clock by more than the tolerance, one block or two offers, shows that ours is slow. A fast clock shows as a lag
    /// of the chain. The devnet's clock is moved at will, so its blocks say nothing.
    /// </remarks>
    /// <param name="chainAhead">Seconds by which the newest block is ahead of our clock; <c>null</c> without a chain.</param>
    /// <param name="offersAhead">The same for each offer known.</param>
    public static NetCheck Judge(double? chainAhead, IReadOnlyCollection<double> offersAhead, bool isDevnet)
    {
        double? byChain = isDevnet ? null : chainAhead;
        double? byOffers = offersAhead.Count >= 2 ? offersAhead.OrderDescending().ElementAt(1) : null;
        double? worst = (byChain, byOffers) is (null, null) ? null : Math.Max(byChain ?? double.MinValue, byOffers ?? double.MinValue);
        return worst switch
        {
            null => NetCheck.Unmeasured("clock.skew", isDevnet ? "a devnet's blocks say nothing of the time, and fewer than two offers are known" : "neither a chain nor two offers to compare with"),
            > Tolerance => NetCheck.Warn(
                "clock.skew",
                $"this clock is {worst:0.#} s slow",
                $"offers more than {OfferLimits.ClockSkew.TotalSeconds:0} s ahead are not taken",
                "Synchronise it: timedatectl set-ntp true"),
            _ => NetCheck.Ok("clock.skew", "not behind what blocks and offers show"),
        };
    }
}
