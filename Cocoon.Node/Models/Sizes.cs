using System.Globalization;

namespace Cocoon.Node.Models;

/// <summary>Byte counts for people.</summary>
internal static class Sizes
{
    /// <summary>Binary units with one digit: <c>4.7 GiB</c>.</summary>
    public static string Words(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        double value = bytes;
        int unit = 0;
        while (Math.Abs(value) >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + units[unit];
    }
}
