using System.CommandLine;
using System.CommandLine.Parsing;
using Cocoon.Node.Cli;
using Cocoon.Node.Hosting;

IReadOnlyList<string> arguments;
try
{
    arguments = ConfigFile.Expand(args);
}
catch (CliException exception)
{
    exception.Print(Console.Error);
    return exception.ExitCode;
}

ParseResult parsed = RootCommandBuilder.Build().Parse(arguments);
if (parsed.Errors.Count > 0)
{
    foreach (ParseError error in parsed.Errors)
    {
        await Console.Error.WriteLineAsync($"error: {error.Message}");
    }

    await Console.Error.WriteLineAsync("  fix  add --help to see what the command takes");
    return ExitCode.Usage;
}

// A node lets running answers end; without this the command line would end the process two seconds after the signal.
InvocationConfiguration invocation = new() { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) };
return await parsed.InvokeAsync(invocation);
