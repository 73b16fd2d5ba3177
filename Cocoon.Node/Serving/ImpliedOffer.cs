using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Node.Serving;

/// <summary>Tokens per second of all answers together, with so many at a time.</summary>
internal readonly record struct MeasuredRate(int Sequences, double Prefill, double Decode);

/// <summary>What to offer a model for, as its measured speed says.</summary>
/// <param name="NanotonPerBusyHour">What an hour of answers brings at the load that automatic prices aim at, prompts not counted.</param>
internal sealed record ImpliedOffer(int Slots, double Prefill, double Decode, Prices Prices, ulong NanotonPerBusyHour)
{
    /// <summary>Another slot is worth its memory when all answers together become this much faster.</summary>
    private const double WorthIt = 1.1;

    private const double SecondsPerHour = 3600, TokensPerPrice = 1_000_000, NanotonPerTon = 1_000_000_000;

    /// <param name="rates">By ascending numbers of answers.</param>
    /// <param name="mostSlots">That memory holds.</param>
    /// <param name="perHour">TON that an hour has to bring; <c>null</c> takes the default prices.</param>
    public static ImpliedOffer Of(IReadOnlyList<MeasuredRate> rates, int mostSlots, decimal? perHour)
    {
        MeasuredRate best = rates[0];
        foreach (MeasuredRate rate in rates.Skip(1).Where(r => r.Sequences <= mostSlots))
        {
            // A model that only embeds has no decode rate.
            double before = best.Decode > 0 ? best.Decode : best.Prefill, now = rate.Decode > 0 ? rate.Decode : rate.Prefill;
            if (now < before * WorthIt)
            {
                break;
            }

            best = rate;
        }

        Prices prices = perHour is { } wanted ? PricesFor(best, (double)wanted) : Default();
        double tokens = best.Decode > 0 ? best.Decode : best.Prefill;
        double price = best.Decode > 0 ? prices.Completion : prices.Prompt;
        return new ImpliedOffer(best.Sequences, best.Prefill, best.Decode, prices, (ulong)(tokens * SecondsPerHour * AutoPrice.Target * price / TokensPerPrice));
    }

    private static Prices Default()
    {
        ModelServingOptions options = new();
        return new Prices { Prompt = options.PricePrompt, Cached = options.PriceCached, Completion = options.PriceCompletion };
    }

    /// <summary>An hour at the wanted load brings the wanted sum, whether it is spent on answers or on prompts: each at the time it takes.</summary>
    private static Prices PricesFor(MeasuredRate rate, double perHour)
    {
        ulong Price(double tokensPerSecond) => tokensPerSecond <= 0
            ? 0
            : (ulong)Math.Ceiling(perHour * NanotonPerTon / (tokensPerSecond * SecondsPerHour * AutoPrice.Target) * TokensPerPrice);
        ulong prompt = Price(rate.Prefill);
        return new Prices { Prompt = prompt, Cached = prompt / 4, Completion = Price(rate.Decode) };
    }
}
