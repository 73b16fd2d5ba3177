using System.CommandLine;
using Cocoon.Node.Cli;

namespace Cocoon.Tests.Node.Cli;

/// <summary>Every command that the program has.</summary>
internal static class CommandTree
{
    public static RootCommand Root { get; } = RootCommandBuilder.Build();

    /// <summary>Each with the words that lead to it.</summary>
    public static IEnumerable<CommandEntry> All() => Below(Root, []);

    private static IEnumerable<CommandEntry> Below(Command command, string[] path) =>
        command.Subcommands.SelectMany(c => Below(c, [.. path, c.Name])).Prepend(new CommandEntry(command, path));
}

internal sealed record CommandEntry(Command Command, string[] Path)
{
    public string Line => string.Join(' ', Path);
}
