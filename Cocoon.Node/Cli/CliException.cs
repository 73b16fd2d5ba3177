namespace Cocoon.Node.Cli;

/// <summary>An error for the person at the terminal: what happened, why, and what to type next.</summary>
internal sealed class CliException(int exitCode, string what, string? why = null, string? fix = null) : Exception(what)
{
    public int ExitCode { get; } = exitCode;

    public string? Why { get; } = why;

    public string? Fix { get; } = fix;

    public void Print(TextWriter error)
    {
        error.WriteLine($"error: {Message}");
        if (Why is not null)
        {
            error.WriteLine($"  why  {Why}");
        }

        if (Fix is not null)
        {
            error.WriteLine($"  fix  {Fix}");
        }
    }
}
