using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Payments;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>How numbers read in tables: rounded TON, ages in words, short ids.</summary>
internal static class Words
{
    /// <summary>nanoTON as TON with up to nine digits; <c>-</c> when unknown.</summary>
    public static string Ton(JsonNode? nanoton, int digits = 9)
    {
        if (nanoton is null || !decimal.TryParse(nanoton.ToString(), NumberStyles.Integer, CultureInfo.InvariantCulture, out decimal value))
        {
            return "-";
        }

        return decimal.Round(value / 1_000_000_000m, digits).ToString("0." + new string('#', digits), CultureInfo.InvariantCulture);
    }

    /// <summary>Strangers' text on our terminal: control characters (escape sequences among them) become spaces, line ends and tabs stay.</summary>
    public static string Printable(string text) =>
        text.Any(IsHostile) ? new string([.. text.Select(c => IsHostile(c) ? ' ' : c)]) : text;

    /// <summary>
    /// As <see cref="Printable"/>, for a cell: on one line, so that a row cannot be made two, and without format characters, which reverse
    /// or hide what is written after them.
    /// </summary>
    public static string OneLine(string text) =>
        text.Any(IsUnfitForCells) ? new string([.. text.Select(c => IsUnfitForCells(c) ? ' ' : c)]) : text;

    private static bool IsHostile(char c) => char.IsControl(c) && c is not ('\n' or '\r' or '\t');

    private static bool IsUnfitForCells(char c) => char.IsControl(c)
        || char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse;

    public static string Short(JsonNode? id)
    {
        string text = id?.ToString() ?? "";
        return text.Length == 0 ? "-" : text.Length <= 14 ? text : $"{text[..4]}…{text[^6..]}";
    }

    /// <summary>Seconds as the two largest units: <c>42s</c>, <c>3m10s</c>, <c>2h05m</c>, <c>6d04h</c>.</summary>
    public static string Age(JsonNode? seconds)
    {
        if (seconds is null || !double.TryParse(seconds.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
        {
            return "-";
        }

        TimeSpan span = TimeSpan.FromSeconds(Math.Max(0, value));
        return span switch
        {
            { TotalMinutes: < 1 } => $"{span.Seconds}s",
            { TotalHours: < 1 } => $"{span.Minutes}m{span.Seconds:00}s",
            { TotalDays: < 1 } => $"{span.Hours}h{span.Minutes:00}m",
            _ => $"{span.Days}d{span.Hours:00}h",
        };
    }

    /// <summary>An ISO 8601 time to the second, UTC.</summary>
    public static string Time(JsonNode? time) =>
        DateTimeOffset.TryParse(time?.ToString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset at)
            ? MoneyWords.Time(at.ToUnixTimeSeconds())
            : "-";

    /// <summary>Unix seconds as a time and how far from now that is; <c>-</c> when there is none.</summary>
    /// <param name="now">Unix seconds; chain time where that is what it is compared with.</param>
    public static string UnixTime(JsonNode? unixSeconds, long now) =>
        unixSeconds is null || !long.TryParse(unixSeconds.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out long value) || value == 0 ? "-"
        : value >= now ? $"{MoneyWords.Time(value)} (in {Age(value - now)})"
        : $"{MoneyWords.Time(value)} ({Age(now - value)} ago)";

    /// <inheritdoc cref="UnixTime(JsonNode, long)"/>
    public static string UnixTime(JsonNode? unixSeconds) => UnixTime(unixSeconds, TimeProvider.System.GetUtcNow().ToUnixTimeSeconds());

    /// <summary>Bytes in binary units.</summary>
    public static string Bytes(JsonNode? bytes)
    {
        if (bytes is null || !double.TryParse(bytes.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
        {
            return "-";
        }

        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        int unit = value < 1 ? 0 : Math.Min(units.Length - 1, (int)Math.Log(value, 1024));
        return (value / Math.Pow(1024, unit)).ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + units[unit];
    }

    public static string Number(JsonNode? value, string format = "0.#", string unit = "") =>
        value is not null && double.TryParse(value.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? number.ToString(format, CultureInfo.InvariantCulture) + unit
            : "-";
}
