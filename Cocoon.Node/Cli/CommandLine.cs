using System.CommandLine;
using Cocoon.Node.Hosting;

namespace Cocoon.Node.Cli;

/// <summary>What a person typed: parsed, explained when it is wrong, run.</summary>
internal static class CommandLine
{
    /// <summary>A node lets running answers end; without this the command line would end the process two seconds after the signal.</summary>
    private static readonly TimeSpan TerminationTimeout = TimeSpan.FromSeconds(30);

    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] typed)
    {
        IReadOnlyList<string> arguments;
        try
        {
            arguments = ConfigFile.Expand(typed);
        }
        catch (CliException exception)
        {
            exception.Print(Console.Error);
            return exception.ExitCode;
        }

        ParseResult parsed = RootCommandBuilder.Build().Parse(arguments);
        if (ConfigFile.FindUnknown(typed, parsed.CommandResult.Command) is { } unknown)
        {
            unknown.Print(Console.Error);
            return unknown.ExitCode;
        }

        if (parsed.Errors.Count > 0)
        {
            foreach (string mistake in ParseErrorWords.Of(parsed))
            {
                await Console.Error.WriteLineAsync($"error: {mistake}");
            }

            await Console.Error.WriteLineAsync("  fix  add --help to see what the command takes");
            return ExitCode.Usage;
        }

        return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TerminationTimeout });
    }
}
