using System.CommandLine;
using Cocoon.Node.Cli;

// A node lets running answers end; without this the command line would end the process two seconds after the signal.
InvocationConfiguration invocation = new() { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) };
return await RootCommandBuilder.Build().Parse(args).InvokeAsync(invocation);
