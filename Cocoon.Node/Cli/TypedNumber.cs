using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Cocoon.Node.Cli;

/// <summary>Numbers as people type them: digits, and a point before the decimals. Nothing else is guessed at.</summary>
/// <remarks>A comma would otherwise be read as a separator of thousands: <c>0,5</c> as 5.</remarks>
internal static class TypedNumber
{
    /// <param name="why">What is wrong with it, as the end of a sentence.</param>
    public static bool TryRead(string text, out decimal value, out string why)
    {
        why = text.Contains(',', StringComparison.Ordinal) ? "a comma has no meaning in numbers here: decimals follow a point, as in 0.5"
            : "digits are expected, and a point before decimals, as in 0.5";
        return decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value);
    }

    public static Option<decimal?> Option(string name, string description) => new(name)
    {
        Description = description,
        CustomParser = result => Read(result),
    };

    private static decimal? Read(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (TryRead(text, out decimal value, out string why))
        {
            return value;
        }

        result.AddError($"'{text}' is no number: {why} ({NameOf(result)})");
        return null;
    }

    /// <summary>The option or argument that a value was typed for.</summary>
    internal static string NameOf(ArgumentResult result) => result.Parent is OptionResult option ? option.Option.Name : result.Argument.Name.ToUpperInvariant();
}
