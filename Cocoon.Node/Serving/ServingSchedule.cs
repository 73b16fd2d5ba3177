using System.Globalization;
using System.Text.RegularExpressions;

namespace Cocoon.Node.Serving;

/// <summary>Hours in which a machine serves, in its own local time: <c>22:00-07:00</c>, <c>Mon-Fri 19:00-23:30, Sat-Sun 00:00-24:00</c>.</summary>
/// <remarks>A window that ends before it begins goes on into the next day; its day is the one on which it begins.</remarks>
internal sealed partial class ServingSchedule
{
    private const int MaxWindows = 32;
    private const int DayMinutes = 24 * 60;

    private static readonly string[] DayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    private readonly IReadOnlyList<Window> _windows;

    private ServingSchedule(IReadOnlyList<Window> windows) => _windows = windows;

    /// <exception cref="FormatException">Says what is wrong.</exception>
    public static ServingSchedule Parse(string text)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return parts.Length is > 0 and <= MaxWindows
            ? new ServingSchedule([.. parts.Select(ParseWindow)])
            : throw new FormatException($"A schedule has 1 to {MaxWindows} windows, such as 22:00-07:00.");
    }

    /// <param name="local">Local time of the machine.</param>
    public bool IsOpen(DateTime local)
    {
        int minute = (local.Hour * 60) + local.Minute, day = (int)local.DayOfWeek;
        return _windows.Any(w => w.Covers(day, minute) || w.Covers((day + 6) % 7, minute + DayMinutes));
    }

    private static Window ParseWindow(string text)
    {
        Match match = WindowPattern().Match(text);
        if (!match.Success || Minutes(match, "from") is not { } from || Minutes(match, "to") is not { } to || from == to || from == DayMinutes)
        {
            throw new FormatException($"'{text}' is no window; one looks like 22:00-07:00 or Mon-Fri 19:00-23:30.");
        }

        int first = match.Groups["first"].Success ? Day(match.Groups["first"].Value) : 0;
        int last = match.Groups["last"].Success ? Day(match.Groups["last"].Value) : match.Groups["first"].Success ? first : 6;
        bool[] days = new bool[7];
        for (int day = first; ; day = (day + 1) % 7)
        {
            days[day] = true;
            if (day == last)
            {
                break;
            }
        }

        return new Window(days, from, to > from ? to : to + DayMinutes);
    }

    private static int Day(string name) => Array.IndexOf(DayNames, name.ToLowerInvariant());

    private static int? Minutes(Match match, string name)
    {
        int hour = int.Parse(match.Groups[name + "h"].ValueSpan, CultureInfo.InvariantCulture), minute = int.Parse(match.Groups[name + "m"].ValueSpan, CultureInfo.InvariantCulture);
        return hour < 24 || minute == 0 ? (hour * 60) + minute : null;
    }

    [GeneratedRegex(
        @"^((?<first>sun|mon|tue|wed|thu|fri|sat)(-(?<last>sun|mon|tue|wed|thu|fri|sat))?\s+)?(?<fromh>[01]\d|2[0-4]):(?<fromm>[0-5]\d)-(?<toh>[01]\d|2[0-4]):(?<tom>[0-5]\d)$",
        RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase)]
    private static partial Regex WindowPattern();

    private sealed record Window(bool[] Days, int From, int To)
    {
        public bool Covers(int day, int minute) => Days[day] && minute >= From && minute < To;
    }
}
