using System.Diagnostics;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;

namespace Cocoon.Tests.EndToEnd;

/// <summary>The built program beside the tests, and how its processes are started.</summary>
internal static class CocoonProgram
{
    public static string Assembly { get; } = Path.Combine(AppContext.BaseDirectory, "cocoon.dll");

    /// <summary>The program as a command line without its arguments.</summary>
    public static IReadOnlyList<string> Command { get; } = [Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", Assembly];

    /// <param name="arguments">Its arguments.</param>
    /// <param name="command">Runs it, or stands for it; <c>null</c>: <see cref="Command"/>.</param>
    public static ProcessStartInfo Launch(IEnumerable<string> arguments, IReadOnlyList<string>? command = null)
    {
        command ??= Command;
        ProcessStartInfo start = new(command[0], [.. command.Skip(1), .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        start.Environment.Remove("COCOON_DATA");
        start.Environment.Remove("COCOON_WALLET_PASSPHRASE");
        return start;
    }

    /// <summary>One command to its end.</summary>
    public static Task<CommandResult> RunAsync(CancellationToken cancellationToken, params string[] arguments) => RunAsync(Launch(arguments), cancellationToken);

    /// <inheritdoc cref="RunAsync(CancellationToken, string[])"/>
    /// <param name="input">All that there is to read; nobody is at the terminal: what wants to ask must say so instead of waiting.</param>
    public static async Task<CommandResult> RunAsync(ProcessStartInfo start, CancellationToken cancellationToken, string input = "")
    {
        start.RedirectStandardInput = true;
        using Process process = Process.Start(start)!;
        await process.StandardInput.WriteAsync(input.AsMemory(), cancellationToken);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellationToken), error = process.StandardError.ReadToEndAsync(cancellationToken);
        try
        {
            await process.WaitForExitAsync(cancellationToken);
            return new CommandResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }

    /// <summary>What the end-to-end tests need and this machine lacks, or <c>null</c>.</summary>
    public static string? MissingPrerequisite() =>
        !OperatingSystem.IsLinux() ? "the end-to-end tests run on Linux"
        : !File.Exists(Assembly) ? $"{Assembly} is missing: build Cocoon.Node"
        : NativesFolder.Find() is null ? "llama.cpp libraries not found: run scripts/llama"
        : null;
}

internal sealed record CommandResult(int ExitCode, string Output, string Error);
