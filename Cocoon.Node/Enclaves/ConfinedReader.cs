using System.Diagnostics;

namespace Cocoon.Node.Enclaves;

/// <summary>Runs a confined child to its end and takes the one document that it prints.</summary>
internal static class ConfinedReader
{
    private const int MaxDocument = 1 << 20;

    /// <summary>What the child printed; empty when it died before that, or was killed because it went on after 1 Mi characters.</summary>
    public static async Task<string> ReadAsync(ProcessStartInfo info, CancellationToken cancellationToken)
    {
        using ChildStarter starter = new();
        using Process child = await starter.StartAsync(info);
        await using CancellationTokenRegistration stop = cancellationToken.Register(() => child.Kill());
        child.StandardInput.Close();
        Task errors = DropAsync(child.StandardError, cancellationToken);
        char[] buffer = new char[MaxDocument + 1];
        int length = await child.StandardOutput.ReadBlockAsync(buffer, cancellationToken);
        if (length > MaxDocument)
        {
            child.Kill();
            length = 0;
        }

        await child.WaitForExitAsync(cancellationToken);
        await errors;
        return new string(buffer, 0, length);
    }

    private static async Task DropAsync(StreamReader errors, CancellationToken cancellationToken)
    {
        char[] buffer = new char[1024];
        while (await errors.ReadAsync(buffer, cancellationToken) > 0)
        {
        }
    }
}
