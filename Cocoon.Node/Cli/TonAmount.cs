using System.Globalization;

namespace Cocoon.Node.Cli;

/// <summary>Amounts as people type them, in TON, and as everything else carries them, in nanoTON.</summary>
internal static class TonAmount
{
    private const decimal NanotonPerTon = 1_000_000_000m;

    /// <summary>More than all TON there are would be a typing mistake.</summary>
    private const decimal Most = 1_000_000_000m;

    /// <exception cref="CliException">Negative, finer than a nanoTON, or beyond reason.</exception>
    public static ulong ToNanoton(decimal ton) => ton is >= 0 and <= Most && decimal.Truncate(ton * NanotonPerTon) == ton * NanotonPerTon
        ? (ulong)(ton * NanotonPerTon)
        : throw new CliException(ExitCode.Usage, $"{ton.ToString(CultureInfo.InvariantCulture)} TON is no amount", "0 or more with at most nine decimals is expected");

    /// <summary>As JSON bodies of the control API carry it.</summary>
    public static string ToText(decimal ton) => ToNanoton(ton).ToString(CultureInfo.InvariantCulture);
}
