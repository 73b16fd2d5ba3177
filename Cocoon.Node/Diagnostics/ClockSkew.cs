using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Diagnostics;

/// <summary>Judges this machine's clock by others': of the newest block, and of offers just heard.</summary>
internal static class ClockSkew
{
    /// <summary>Block times are whole seconds and may lead a little, in seconds.</summary>
    private const double Tolerance = 5;

    /// <remarks>
    /// What is newer than our clock by more than the tolerance, one block or two offers, shows that ours is slow; one offer alone may come
    /// from a fast clock. A fast clock of ours shows as a lag of the chain. The devnet's clock is moved at will, so that its blocks count
    /// only where they agree with us.
    /// </remarks>
    /// <param name="chainAhead">Seconds by which the newest block is ahead of our clock; <c>null</c> without a chain.</param>
    /// <param name="offersAhead">The same for each offer known.</param>
    public static NetCheck Judge(double? chainAhead, IReadOnlyCollection<double> offersAhead, bool isDevnet)
    {
        double? byChain = isDevnet && Math.Abs(chainAhead ?? 0) > Tolerance ? null : chainAhead;
        double? byOffers = offersAhead.Count switch
        {
            0 => null,
            1 when offersAhead.Single() > Tolerance => null,
            1 => offersAhead.Single(),
            _ => offersAhead.OrderDescending().ElementAt(1),
        };
        double? worst = (byChain, byOffers) is (null, null) ? null : Math.Max(byChain ?? double.MinValue, byOffers ?? double.MinValue);
        return worst switch
        {
            null when offersAhead.Count == 1 => NetCheck.Unmeasured("clock.skew", $"one provider's clock is {offersAhead.Single():0.#} s ahead of ours; whose is wrong, a second offer would tell"),
            null when isDevnet && chainAhead is not null => NetCheck.Unmeasured("clock.skew", $"this devnet's clock is {Math.Abs(chainAhead.Value):0} s off ours, as it may be, and no offer is known"),
            null => NetCheck.Unmeasured("clock.skew", "neither a chain nor an offer to compare with"),
            > Tolerance => NetCheck.Warn(
                "clock.skew",
                $"this clock is {worst:0.#} s slow",
                $"offers more than {OfferLimits.ClockSkew.TotalSeconds:0} s ahead are not taken",
                "Synchronise it: timedatectl set-ntp true"),
            _ => NetCheck.Ok("clock.skew", $"not behind, by {string.Join(" and ", Shown(byChain, offersAhead.Count))}"),
        };
    }

    private static IEnumerable<string> Shown(double? byChain, int offers)
    {
        if (byChain is not null)
        {
            yield return "blocks";
        }

        if (offers > 0)
        {
            yield return offers == 1 ? "the offer of one provider" : $"{offers} offers";
        }
    }
}
