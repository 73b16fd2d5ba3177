using System.Diagnostics;

namespace Cocoon.Node.Enclaves;

/// <summary>Runs a confined child to its end and takes the one document that it prints.</summary>
internal static class ConfinedReader
{
    private const int MaxDocument = 1 << 20;

    /// <summary>What the child printed, at most 1 Mi characters; empty when it died before that.</summary>
    public static async Task<string> ReadAsync(ProcessStartInfo info, CancellationToken cancellationToken)
    {
        using ChildStarter starter = new();
        using Process child = await starter.StartAsync(info);
        await using CancellationTokenRegistration stop = cancellationToken.Register(() => child.Kill());
        child.StandardInput.Close();
        Task<string> errors = child.StandardError.ReadToEndAsync(cancellationToken);
        char[] buffer = new char[MaxDocument];
        int length = await child.StandardOutput.ReadBlockAsync(buffer, cancellationToken);
        await child.WaitForExitAsync(cancellationToken);
        await errors;
        return new string(buffer, 0, length);
    }
}
