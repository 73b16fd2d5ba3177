using System.Globalization;
using System.Text.Json.Nodes;

namespace Cocoon.Node.Cli.Rendering;

/// <summary><c>-o</c>, <c>--columns</c>, <c>--sort</c>, <c>--filter</c>, <c>-q</c> and <c>--no-trunc</c> of a list command.</summary>
internal sealed record RowOptions(OutputFormat Format, string[]? Columns, string? Sort, string[] Filters, bool IsQuiet = false, bool IsWhole = false)
{
    /// <exception cref="CliException">An unknown column was named.</exception>
    public IReadOnlyList<Column> Select(IReadOnlyList<Column> columns) =>
        Columns is null ? [.. columns.Where(c => !c.IsHidden)] : [.. Columns.Select(name => Find(columns, name))];

    /// <exception cref="CliException">An unknown column was named, or a filter is malformed.</exception>
    public List<JsonObject> Apply(IEnumerable<JsonObject> rows, IReadOnlyList<Column> columns)
    {
        RowFilter[] filters = [.. Filters.Select(f => RowFilter.Parse(f, columns))];
        rows = rows.Where(r => Array.TrueForAll(filters, f => f.Matches(r)));
        if (Sort is null)
        {
            return [.. rows];
        }

        // Unknown values come last, whichever way.
        Column by = Find(columns, Sort.TrimStart('-'));
        IOrderedEnumerable<JsonObject> sorted = rows.OrderBy(r => by.Raw(r) is null);
        return Sort.StartsWith('-')
            ? [.. sorted.ThenByDescending(r => Number(by.Raw(r))).ThenByDescending(by.Raw, StringComparer.Ordinal)]
            : [.. sorted.ThenBy(r => Number(by.Raw(r))).ThenBy(by.Raw, StringComparer.Ordinal)];
    }

    internal static Column Find(IReadOnlyList<Column> columns, string name) =>
        columns.FirstOrDefault(c => c.Field == name)
        ?? throw new CliException(ExitCode.Usage, $"there is no column '{name}'", null, "Columns: " + string.Join(", ", columns.Select(c => c.Field)));

    private static double Number(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : double.MaxValue;
}
