using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Cocoon.Node.Cli.Rendering;

/// <summary><c>-o</c>, <c>--columns</c>, <c>--sort</c> and <c>--filter</c> of a list command.</summary>
internal sealed record RowOptions(OutputFormat Format, string[]? Columns, string? Sort, string[] Filters)
{
    /// <exception cref="CliException">An unknown column was named.</exception>
    public IReadOnlyList<Column> Select(IReadOnlyList<Column> columns) =>
        Columns is null ? [.. columns.Where(c => !c.IsHidden)] : [.. Columns.Select(name => Find(columns, name))];

    public List<JsonObject> Apply(IEnumerable<JsonObject> rows, IReadOnlyList<Column> columns)
    {
        foreach (string filter in Filters)
        {
            int at = filter.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0)
            {
                throw new CliException(ExitCode.Usage, $"'{filter}' is no filter", "a filter is FIELD=VALUE", "For example --filter tier=open.");
            }

            Column column = Find(columns, filter[..at]);
            string value = filter[(at + 1)..];
            rows = rows.Where(r => string.Equals(column.Raw(r), value, StringComparison.OrdinalIgnoreCase) || (column.Raw(r)?.Split(';').Contains(value) ?? false));
        }

        if (Sort is null)
        {
            return [.. rows];
        }

        bool descending = Sort.StartsWith('-');
        Column by = Find(columns, Sort.TrimStart('-'));
        IOrderedEnumerable<JsonObject> sorted = descending
            ? rows.OrderByDescending(r => Number(by.Raw(r))).ThenByDescending(by.Raw, StringComparer.Ordinal)
            : rows.OrderBy(r => Number(by.Raw(r))).ThenBy(by.Raw, StringComparer.Ordinal);
        return [.. sorted];
    }

    private static double Number(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : double.MaxValue;

    private static Column Find(IReadOnlyList<Column> columns, string name) =>
        columns.FirstOrDefault(c => c.Field == name)
        ?? throw new CliException(ExitCode.Usage, $"there is no column '{name}'", null, "Columns: " + string.Join(", ", columns.Select(c => c.Field)));
}

/// <summary>Adds the list options to a command and reads them back.</summary>
internal sealed class RowOptionSet
{
    private readonly Option<OutputFormat> _output = CommonOptions.Output();
    private readonly Option<string?> _columns = new("--columns") { Description = "Fields to show, comma separated", HelpName = "A,B" };
    private readonly Option<string?> _sort = new("--sort") { Description = "Field to sort by; a leading - sorts downwards", HelpName = "FIELD" };
    private readonly Option<string[]> _filter = new("--filter") { Description = "FIELD=VALUE; may be repeated", HelpName = "F=V", DefaultValueFactory = _ => [] };

    public void AddTo(Command command)
    {
        command.Options.Add(_output);
        command.Options.Add(_columns);
        command.Options.Add(_sort);
        command.Options.Add(_filter);
    }

    public RowOptions Read(ParseResult parse) => new(
        parse.GetValue(_output),
        parse.GetValue(_columns)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        parse.GetValue(_sort),
        parse.GetValue(_filter) ?? []);
}
