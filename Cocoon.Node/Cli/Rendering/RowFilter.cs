using System.Globalization;
using System.Text.Json.Nodes;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>One <c>--filter</c>: <c>field=value</c>, <c>!=</c>, <c>~</c> (contains), or a comparison of numbers. An unknown value matches no comparison.</summary>
internal sealed class RowFilter
{
    private static readonly string[] Operators = ["!=", "<=", ">=", "=", "<", ">", "~"];

    private readonly Column _column;
    private readonly string _operator;
    private readonly string _value;
    private readonly double _number;

    private RowFilter(Column column, string @operator, string value, double number) => (_column, _operator, _value, _number) = (column, @operator, value, number);

    /// <exception cref="CliException">No filter, an unknown field, or a comparison with something that is no number.</exception>
    public static RowFilter Parse(string text, IReadOnlyList<Column> columns)
    {
        int at = text.IndexOfAny(['!', '<', '>', '=', '~']);
        string? found = at > 0 ? Array.Find(Operators, o => text.AsSpan(at).StartsWith(o, StringComparison.Ordinal)) : null;
        if (found is null)
        {
            throw new CliException(ExitCode.Usage, $"'{text}' is no filter", "a filter is FIELD=VALUE, or has one of != < <= > >= ~ in place of =", "For example --filter tier=open or --filter 'rtt_ms<50'.");
        }

        Column column = RowOptions.Find(columns, text[..at]);
        string value = text[(at + found.Length)..];
        double number = 0;
        if (found[0] is '<' or '>' && !double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out number))
        {
            throw new CliException(ExitCode.Usage, $"'{value}' is no number to compare {column.Field} with", null, "For example --filter 'rtt_ms<50'.");
        }

        return new RowFilter(column, found, value, number);
    }

    public bool Matches(JsonObject row)
    {
        string? raw = _column.Raw(row);
        return _operator switch
        {
            "=" => IsEqual(raw),
            "!=" => !IsEqual(raw),
            "~" => raw?.Contains(_value, StringComparison.OrdinalIgnoreCase) ?? false,
            _ => double.TryParse(raw, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && _operator switch
            {
                "<" => number < _number,
                "<=" => number <= _number,
                ">" => number > _number,
                _ => number >= _number,
            },
        };
    }

    /// <summary><c>-</c> stands for unknown, as tables print it; one item of a list is enough.</summary>
    private bool IsEqual(string? raw) => raw is null
        ? _value is "-" or ""
        : string.Equals(raw, _value, StringComparison.OrdinalIgnoreCase) || raw.Split(';').Contains(_value, StringComparer.OrdinalIgnoreCase);
}
