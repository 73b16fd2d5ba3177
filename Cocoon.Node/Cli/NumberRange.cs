using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Cocoon.Node.Cli;

/// <summary>What a number may be, said by the option itself: one out of range is a mistake of whoever typed it, never brought into range in silence.</summary>
internal static class NumberRange
{
    /// <summary>Seconds: what locks money or rules for longer is a typing mistake.</summary>
    public const int Year = 366 * 86_400;

    /// <param name="orZero">0 stands for "chosen" or "without", outside the range.</param>
    public static Option<T> Within<T>(this Option<T> option, decimal least, decimal most, bool orZero = false)
    {
        option.Validators.Add(result => Check(result, least, most, orZero));
        return option;
    }

    private static void Check(OptionResult result, decimal least, decimal most, bool orZero)
    {
        foreach (Token token in result.Tokens)
        {
            // Whatever is no number has its own words already.
            if (decimal.TryParse(token.Value, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal value)
                && (value < least || value > most) && !(orZero && value == 0))
            {
                result.AddError(string.Create(CultureInfo.InvariantCulture, $"{result.Option.Name} {token.Value} is out of range: {(orZero ? "0, or " : "")}{least} to {most} is allowed"));
            }
        }
    }
}
