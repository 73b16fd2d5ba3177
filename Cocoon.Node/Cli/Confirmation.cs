namespace Cocoon.Node.Cli;

/// <summary>The preview before an on-chain action.</summary>
internal static class Confirmation
{
    /// <exception cref="CliException">Not confirmed, or nobody is there to ask.</exception>
    public static void Ask(string action, bool yes)
    {
        Console.Error.WriteLine($"about to {action}");
        if (yes)
        {
            return;
        }

        if (Console.IsInputRedirected)
        {
            throw new CliException(ExitCode.Usage, "not confirmed", "nobody is here to ask", "Repeat with --yes.");
        }

        Console.Error.Write("go on? [y/N] ");
        if (!string.Equals(Console.In.ReadLine()?.Trim(), "y", StringComparison.OrdinalIgnoreCase))
        {
            throw new CliException(ExitCode.CheckFailed, "nothing was done");
        }
    }
}
