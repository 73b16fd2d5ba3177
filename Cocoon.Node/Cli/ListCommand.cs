using System.CommandLine;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary>A command that prints one list of the control API, in every format, filtered, sorted and watched.</summary>
internal static class ListCommand
{
    public static readonly TimeSpan Wait = TimeSpan.FromSeconds(30);

    /// <param name="path">Of the control API.</param>
    /// <param name="rowsField">The array in its document.</param>
    public static Command Build(string name, string description, string path, string rowsField, IReadOnlyList<Column> columns, string? footnote = null)
    {
        NodeSource source = new();
        RowOptionSet rows = new();
        Command command = new(name, description);
        source.AddTo(command);
        rows.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            await using ObservedNode node = await source.OpenAsync(parse, cancellationToken);
            return await rows.PrintAsync(parse, t => node.Client.GetAsync(path, Wait, t), rowsField, columns, footnote, cancellationToken);
        });
        return command;
    }
}
