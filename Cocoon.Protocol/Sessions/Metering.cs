using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Protocol.Sessions;

/// <summary>Cumulative token counts that are paid for. Cached is part of prompt.</summary>
internal readonly record struct TokenCounts(uint Prompt, uint Cached, uint Completion)
{
    /// <summary>Each class rounded up to a multiple of <paramref name="unit"/>: what a host may learn between the edges.</summary>
    public TokenCounts RoundUp(uint unit)
    {
        if (unit <= 1)
        {
            return this;
        }

        uint fresh = Up(Prompt - Cached, unit);
        uint cached = Up(Cached, unit);
        return new TokenCounts(fresh + cached, cached, Up(Completion, unit));

        static uint Up(uint value, uint unit) => (uint)Math.Min(uint.MaxValue / 4, ((ulong)value + unit - 1) / unit * unit);
    }
}

/// <summary>The one price formula: <c>due = ceil(Σ tokens × price / 10⁶)</c> over cumulative counts, never a sum of rounded parts.</summary>
internal static class Metering
{
    private const uint Million = 1_000_000;

    /// <summary>nanoTON; saturates at the largest value.</summary>
    public static ulong Due(Prices prices, TokenCounts counts)
    {
        UInt128 sum = ((UInt128)(counts.Prompt - counts.Cached) * prices.Prompt)
            + ((UInt128)counts.Cached * prices.Cached)
            + ((UInt128)counts.Completion * prices.Completion);
        UInt128 due = (sum + (Million - 1)) / Million;
        return due > ulong.MaxValue ? ulong.MaxValue : (ulong)due;
    }

    public static bool NotDearer(Prices quoted, Prices offered) =>
        quoted.Prompt <= offered.Prompt && quoted.Cached <= offered.Cached && quoted.Completion <= offered.Completion;
}
