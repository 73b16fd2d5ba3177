using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary>Prints events one by one: lines for people on a terminal, JSON lines in a pipe; until Ctrl-C, a count, or nobody reads.</summary>
internal sealed class EventTape
{
    private static readonly string[] Head = ["sequence", "at", "type", "peer"];

    private readonly OutputFormat _format;
    private readonly int? _count;

    /// <exception cref="CliException">One document was asked for of what has no end.</exception>
    public EventTape(OutputFormat? format, int? count)
    {
        _format = format ?? (Console.IsOutputRedirected ? OutputFormat.Jsonl : OutputFormat.Table);
        _count = count;
        if (_format == OutputFormat.Json && count is null)
        {
            throw new CliException(ExitCode.Usage, "events have no end, so they make no document", null, "Use -o jsonl, or give --count.");
        }
    }

    public static Option<int?> Count() => new Option<int?>("--count") { Description = "End after this many" }.Within(1, 1_000_000_000);

    public static Option<OutputFormat?> Output() =>
        new Option<OutputFormat?>("--output", "-o") { Description = "table (for people), jsonl (default in a pipe), csv, or with --count json" }
            .AcceptOnlyFromAmong(CommonOptions.OutputWords);

    public async Task<int> PrintAsync(IAsyncEnumerable<JsonObject> events, Func<JsonObject, bool> isWanted, CancellationToken cancellationToken)
    {
        await using StreamOutput output = new();
        JsonArray all = [];
        int printed = 0;
        if (_format == OutputFormat.Csv)
        {
            output.WriteLine(string.Join(',', Head) + ",detail");
        }

        try
        {
            await foreach (JsonObject item in events.WithCancellation(output.ReaderGone))
            {
                if (!isWanted(item))
                {
                    continue;
                }

                if (_format == OutputFormat.Json)
                {
                    all.Add(item.DeepClone());
                }
                else
                {
                    output.WriteLine(Line(item));
                }

                if (++printed == _count || output.IsClosed)
                {
                    break;
                }
            }
        }
        catch (OperationCanceledException) when (output.IsClosed || cancellationToken.IsCancellationRequested)
        {
            // Nobody reads any more, or Ctrl-C: the tape has no other end.
        }

        if (_format == OutputFormat.Json)
        {
            output.WriteLine(new JsonObject { ["schema"] = ControlJson.Schema, ["events"] = all }.ToJsonString());
        }

        return ExitCode.Ok;
    }

    private string Line(JsonObject item)
    {
        IEnumerable<string> details = item.Where(f => !Head.Contains(f.Key) && f.Value is not null).Select(f => $"{f.Key}={f.Value}");
        return _format switch
        {
            OutputFormat.Jsonl => item.ToJsonString(),
            OutputFormat.Csv => string.Join(',', Head.Select(h => RowWriter.Quote(Words.OneLine(item[h]?.ToString() ?? ""))).Append(RowWriter.Quote(Words.OneLine(string.Join(' ', details))))),
            _ => Words.OneLine($"{Time(item)}  {item["type"],-17} {Words.Short(item["peer"]),-14} {string.Join("  ", details.Select(Shortened))}"),
        };
    }

    private static string Time(JsonObject item) =>
        DateTimeOffset.TryParse((string?)item["at"], System.Globalization.CultureInfo.InvariantCulture, out DateTimeOffset at)
            ? at.ToLocalTime().ToString("HH:mm:ss", System.Globalization.CultureInfo.InvariantCulture)
            : "        ";

    private static string Shortened(string detail)
    {
        const int Most = 72;
        return detail.Length <= Most ? detail : detail[..(Most - 1)] + "…";
    }
}
