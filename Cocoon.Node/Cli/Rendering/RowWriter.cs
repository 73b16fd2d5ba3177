using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>Prints a list document in each output format. Data goes to stdout, nothing else.</summary>
internal static class RowWriter
{
    private const int MaxTableWidth = 16 * 1024;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="document">The control API's answer; <paramref name="rowsField"/> names its array.</param>
    public static void Write(JsonObject document, string rowsField, IReadOnlyList<Column> columns, RowOptions options, TextWriter output)
    {
        List<JsonObject> rows = options.Apply(Rows(document, rowsField), columns);
        IReadOnlyList<Column> shown = options.Select(columns);
        if (options.IsQuiet)
        {
            Column key = columns.FirstOrDefault(c => c.IsKey) ?? columns[0];
            rows.ForEach(r => output.WriteLine(Words.OneLine(key.Raw(r) ?? "-")));
            return;
        }

        switch (options.Format)
        {
            case OutputFormat.Json:
                JsonObject copy = (JsonObject)document.DeepClone();
                copy[rowsField] = new JsonArray([.. rows.Select(r => Chosen(r, options, shown).DeepClone())]);
                output.WriteLine(copy.ToJsonString(Indented));
                break;
            case OutputFormat.Jsonl:
                foreach (JsonObject row in rows)
                {
                    output.WriteLine(Chosen(row, options, shown).ToJsonString());
                }

                break;
            case OutputFormat.Csv:
                IReadOnlyList<Column> csv = options.Columns is null ? columns : shown;
                output.WriteLine(string.Join(',', csv.Select(c => c.Field)));
                foreach (JsonObject row in rows)
                {
                    output.WriteLine(string.Join(',', csv.Select(c => Quote(Words.Printable(c.Raw(row) ?? "")))));
                }

                break;
            default:
                WriteTable(rows, shown, options.IsWhole, output);
                break;
        }
    }

    /// <summary>Prints one object: JSON, a csv row under its names (what is nested as JSON in its field), or aligned <c>field  value</c> lines for people.</summary>
    public static void WriteObject(JsonObject document, OutputFormat format, Func<JsonObject, IEnumerable<(string Label, string Value)>> lines, TextWriter output)
    {
        switch (format)
        {
            case OutputFormat.Json:
                output.WriteLine(document.ToJsonString(Indented));
                return;
            case OutputFormat.Jsonl:
                output.WriteLine(document.ToJsonString());
                return;
            case OutputFormat.Csv:
                output.WriteLine(string.Join(',', document.Select(field => Quote(field.Key))));
                output.WriteLine(string.Join(',', document.Select(field => Quote(Words.Printable(field.Value switch
                {
                    null => "",
                    JsonValue value => value.ToString(),
                    JsonNode nested => nested.ToJsonString(),
                })))));
                return;
        }

        (string Label, string Value)[] all = [.. lines(document)];
        int width = all.Length == 0 ? 0 : all.Max(l => l.Label.Length);
        foreach ((string label, string value) in all)
        {
            output.WriteLine(Words.Printable(label.Length == 0 ? value : $"{label.PadRight(width)}  {value}"));
        }
    }

    /// <summary>The rows of a list document.</summary>
    public static IEnumerable<JsonObject> Rows(JsonObject document, string rowsField) => document[rowsField]?.AsArray().OfType<JsonObject>() ?? [];

    /// <summary>The fields that <c>--columns</c> names; all of them without it.</summary>
    private static JsonObject Chosen(JsonObject row, RowOptions options, IReadOnlyList<Column> shown) => options.Columns is null
        ? row
        : new JsonObject(shown.DistinctBy(c => c.Field).Select(c => KeyValuePair.Create(c.Field, row[c.Field]?.DeepClone())));

    private static void WriteTable(List<JsonObject> rows, IReadOnlyList<Column> columns, bool isWhole, TextWriter output)
    {
        Table table = new() { Border = TableBorder.None, ShowHeaders = true };
        foreach (Column column in columns)
        {
            TableColumn header = new(Markup.Escape(column.Header)) { Padding = new Padding(0, 0, 2, 0), NoWrap = true };
            table.AddColumn(column.IsRight ? header.RightAligned() : header);
        }

        foreach (JsonObject row in rows)
        {
            table.AddRow([.. columns.Select(c => Markup.Escape(c.Render(row, isWhole)))]);
        }

        using StringWriter text = new(CultureInfo.InvariantCulture);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text), ColorSystem = ColorSystemSupport.NoColors, Ansi = AnsiSupport.No });

        // A row is a line: terminals wrap by themselves, and pipes have no width.
        console.Profile.Width = MaxTableWidth;
        console.Write(table);
        foreach (string line in text.ToString().TrimEnd().Split('\n'))
        {
            output.WriteLine(line.TrimEnd());
        }
    }

    /// <summary>A csv field (RFC 4180).</summary>
    internal static string Quote(string value) =>
        value.AsSpan().IndexOfAny(",\"\n\r") < 0 ? value : $"\"{value.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
