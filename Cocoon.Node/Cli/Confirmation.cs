namespace Cocoon.Node.Cli;

/// <summary>The preview before an on-chain action.</summary>
internal static class Confirmation
{
    /// <exception cref="CliException">Not confirmed, or nobody is there to ask.</exception>
    public static async Task AskAsync(string action, bool yes, CancellationToken cancellationToken)
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
        string? answer;
        try
        {
            answer = await Prompt.ReadLineAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine();
            throw new CliException(ExitCode.Interrupted, "nothing was done");
        }

        if (answer?.Trim().ToLowerInvariant() is not ("y" or "yes"))
        {
            throw new CliException(ExitCode.CheckFailed, "nothing was done");
        }
    }
}
