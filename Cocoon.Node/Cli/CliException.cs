using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;

namespace Cocoon.Node.Cli;

/// <summary>An error for the person at the terminal: what happened, why, and what to type next.</summary>
internal sealed class CliException(int exitCode, string what, string? why = null, string? fix = null) : Exception(what)
{
    public int ExitCode { get; } = exitCode;

    public string? Why { get; } = why;

    public string? Fix { get; } = fix;

    /// <summary>A payment that was not made: one exit code for one cause, whichever command met it.</summary>
    /// <param name="what">What did not happen, where the caller can say it better; what to do is then in the exception's own words.</param>
    public static CliException Of(PaymentException exception, string? what = null)
    {
        (string happened, string? fix) = MoneyWords.Of(exception);
        return new CliException(exception.Code == PaymentErrorCode.Chain ? Cli.ExitCode.Network : Cli.ExitCode.Payment, what ?? happened, exception.Message, what is null ? fix : null);
    }

    /// <summary>A file, directory or connection that cannot be used.</summary>
    public static CliException OfFile(Exception exception) => new(
        exception is FileNotFoundException or DirectoryNotFoundException ? Cli.ExitCode.NotFound : Cli.ExitCode.CheckFailed,
        DiskFault.WordsOf(exception) ?? "a file or connection could not be used", exception.Message);

    /// <remarks>Providers and their enclaves have their words in it: each stays on its line.</remarks>
    public void Print(TextWriter error)
    {
        error.WriteLine($"error: {Words.OneLine(Message)}");
        if (Why is not null)
        {
            error.WriteLine($"  why  {Words.OneLine(Why)}");
        }

        if (Fix is not null)
        {
            error.WriteLine($"  fix  {Words.OneLine(Fix)}");
        }
    }
}
