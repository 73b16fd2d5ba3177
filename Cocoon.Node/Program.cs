using Cocoon.Node.Cli;

return await RootCommandBuilder.Build().Parse(args).InvokeAsync();
