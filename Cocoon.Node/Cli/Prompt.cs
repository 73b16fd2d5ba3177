namespace Cocoon.Node.Cli;

/// <summary>What a person types, a line at a time.</summary>
internal static class Prompt
{
    /// <summary>The next line; <c>null</c> at the end of the input.</summary>
    /// <remarks>The console's own reader blocks and hears of no cancellation: it is left behind, and ends with the process.</remarks>
    /// <exception cref="OperationCanceledException">Ctrl-C.</exception>
    public static Task<string?> ReadLineAsync(CancellationToken cancellationToken) =>
        Task.Run(Console.In.ReadLine, CancellationToken.None).WaitAsync(cancellationToken);
}
