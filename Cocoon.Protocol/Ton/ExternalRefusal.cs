using System.Globalization;
using System.Text.RegularExpressions;

namespace Cocoon.Protocol.Ton;

/// <summary>How a server words that an account would not accept an external message; there is no code for it, only text.</summary>
internal static partial class ExternalRefusal
{
    public static bool IsOne(string error) =>
        error.Contains("not accepted", StringComparison.OrdinalIgnoreCase)
        || error.Contains("cannot apply external message", StringComparison.OrdinalIgnoreCase)
        || error.Contains("exitcode", StringComparison.OrdinalIgnoreCase)
        || error.Contains("terminating vm with exit code", StringComparison.OrdinalIgnoreCase);

    /// <summary>With the TVM's exit code, where the text names one.</summary>
    public static TonException Of(string text)
    {
        Match exit = ExitCodePattern().Match(text);
        return new TonException(TonErrorCode.NotAccepted, text)
        {
            ExitCode = exit.Success ? int.Parse(exit.Groups[1].Value, CultureInfo.InvariantCulture) : null,
        };
    }

    [GeneratedRegex(@"exit(?:[ _]code|code)?[:= ]+(-?\d{1,6})", RegexOptions.IgnoreCase)]
    private static partial Regex ExitCodePattern();
}
