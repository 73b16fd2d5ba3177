namespace Cocoon.Protocol.Offers;

/// <summary>Bounds and times of capacity offers, each with the reason for its value.</summary>
internal static class OfferLimits
{
    /// <summary>A signed offer with 16 addresses is under 2 KiB; four times that leaves room for fields of later versions.</summary>
    public const int MaxBytes = 8192;

    public const int MaxAddresses = 16;

    /// <summary>Longest list of any other repeated field.</summary>
    public const int MaxItems = 32;

    /// <summary>Longest text field in UTF-16 units.</summary>
    public const int MaxText = 256;

    /// <summary>Offers answered to one /cocoon/offers request, and the most read from one.</summary>
    public const int MaxPerResponse = 64;

    /// <summary>Prices above this (1 TON per 1,000 tokens) are malformed: they could only come from a mistake or an attack on sums.</summary>
    public const ulong MaxPrice = 1_000_000_000_000;

    /// <summary>A crashed provider is forgotten after this.</summary>
    public static readonly TimeSpan TimeToLive = TimeSpan.FromSeconds(45);

    public static readonly TimeSpan RefreshInterval = TimeSpan.FromSeconds(15);

    /// <summary>How far ahead of our clock a provider's may be: with <see cref="TimeToLive"/> less than the minute after which no book may name a crashed provider.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(10);
}
