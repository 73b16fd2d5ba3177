using System.CommandLine;
using Cocoon.Node.Cli;
using Cocoon.Node.Hosting;
using Cocoon.Protocol.Cryptography.Hpke;

if (args is [EnclaveCommand.Name, ..])
{
    // The child is this program again and must stay small: it builds nothing of the other commands.
    return await new RootCommand { EnclaveCommand.Build(HpkeSuite.Offered) }.Parse(args).InvokeAsync();
}

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
    foreach (string mistake in ParseErrorWords.Of(parsed))
    {
        await Console.Error.WriteLineAsync($"error: {mistake}");
    }

    await Console.Error.WriteLineAsync("  fix  add --help to see what the command takes");
    return ExitCode.Usage;
}

// A node lets running answers end; without this the command line would end the process two seconds after the signal.
InvocationConfiguration invocation = new() { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) };
return await parsed.InvokeAsync(invocation);
