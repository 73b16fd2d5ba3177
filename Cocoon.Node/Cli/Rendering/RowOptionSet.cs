using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Cocoon.Node.Cli.Rendering;

/// <summary>Adds the list options to a command, reads them back, and prints the list once or again and again.</summary>
internal sealed class RowOptionSet
{
    private static readonly TimeSpan MinInterval = TimeSpan.FromMilliseconds(100), MaxInterval = TimeSpan.FromHours(1);

    private readonly Option<OutputFormat> _output = CommonOptions.Output();
    private readonly Option<string?> _columns = new("--columns") { Description = "Fields to show, comma separated", HelpName = "A,B" };
    private readonly Option<string?> _sort = new("--sort") { Description = "Field to sort by; a leading - sorts downwards", HelpName = "FIELD" };
    private readonly Option<string[]> _filter = new("--filter")
    {
        Description = "FIELD=VALUE, or with != < <= > >= or ~ (contains); may be repeated", HelpName = "F=V", DefaultValueFactory = _ => [],
    };

    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "Print ids only" };
    private readonly Option<bool> _whole = new("--no-trunc") { Description = "Shorten nothing" };
    private readonly Option<string?> _watch = new("--watch")
    {
        Description = "Print again every 2s (or what is given) until Ctrl-C: redrawn on a terminal, one JSON line per change in a pipe",
        Arity = ArgumentArity.ZeroOrOne,
        HelpName = "TIME",
    };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_output, _columns, _sort, _filter, _quiet, _whole, _watch])
        {
            command.Options.Add(option);
        }
    }

    public bool IsWatched(ParseResult parse) => parse.GetResult(_watch) is { Implicit: false };

    public RowOptions Read(ParseResult parse) => new(
        parse.GetValue(_output),
        parse.GetValue(_columns)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        parse.GetValue(_sort),
        parse.GetValue(_filter) ?? [],
        parse.GetValue(_quiet),
        parse.GetValue(_whole));

    /// <summary>Fetches and prints the list, with <c>--watch</c> until cancelled.</summary>
    /// <param name="rowsField">The array of the document that holds the rows.</param>
    /// <param name="footnote">For people, on stderr: what the star behind a header means.</param>
    public async Task<int> PrintAsync(
        ParseResult parse, Func<CancellationToken, Task<JsonObject>> fetch, string rowsField, IReadOnlyList<Column> columns, string? footnote, CancellationToken cancellationToken)
    {
        RowOptions options = Read(parse);
        if (!IsWatched(parse))
        {
            RowWriter.Write(await fetch(cancellationToken), rowsField, columns, options, Console.Out);
            if (footnote is not null && options is { Format: OutputFormat.Table, IsQuiet: false } && options.Select(columns).Any(c => c.Header.EndsWith('*')))
            {
                await Console.Error.WriteLineAsync(footnote);
            }

            return ExitCode.Ok;
        }

        if (options.Format is OutputFormat.Csv or OutputFormat.Json)
        {
            throw new CliException(
                ExitCode.Usage, $"--watch does not go with -o {options.Format.ToString().ToLowerInvariant()}", "what is watched has no end, and each change is a line of its own", "Use -o jsonl, or leave --watch out.");
        }

        TimeSpan interval = ParseInterval(parse.GetValue(_watch));
        bool redraws = options.Format == OutputFormat.Table && !Console.IsOutputRedirected;
        RowChanges changes = new(columns, options.Columns is null ? null : options.Select(columns));
        using PeriodicTimer timer = new(interval);
        await using StreamOutput output = new();
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, output.ReaderGone);
        try
        {
            do
            {
                JsonObject document = await fetch(ending.Token);
                if (redraws)
                {
                    using StringWriter screen = new(CultureInfo.InvariantCulture);
                    RowWriter.Write(document, rowsField, columns, options, screen);
                    output.WriteLine($"\e[H\e[2J{DateTimeOffset.Now.ToString("HH:mm:ss", CultureInfo.InvariantCulture)}  every {interval.TotalSeconds:0.#} s\n\n{screen.ToString().TrimEnd()}");
                }
                else
                {
                    foreach (JsonObject change in changes.Next(options.Apply(RowWriter.Rows(document, rowsField), columns)))
                    {
                        output.WriteLine(change.ToJsonString());
                    }
                }
            }
            while (await timer.WaitForNextTickAsync(ending.Token));
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // Nobody reads any more, or Ctrl-C: to watch has no other end.
        }

        return ExitCode.Ok;
    }

    /// <param name="option">It was given to.</param>
    /// <exception cref="CliException">Not a time between 0.1 s and an hour.</exception>
    internal static TimeSpan ParseInterval(string? text, string option = "--watch")
    {
        if (text is null)
        {
            return TimeSpan.FromSeconds(2);
        }

        (string digits, double unit) = text switch
        {
            _ when text.EndsWith("ms", StringComparison.Ordinal) => (text[..^2], 0.001),
            _ when text.EndsWith('s') => (text[..^1], 1),
            _ when text.EndsWith('m') => (text[..^1], 60),
            _ => (text, 1.0),
        };
        return double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
            && value * unit >= MinInterval.TotalSeconds && value * unit <= MaxInterval.TotalSeconds
            ? TimeSpan.FromSeconds(value * unit)
            : throw new CliException(ExitCode.Usage, $"'{text}' is no interval", "0.1 s to one hour is allowed", $"For example {option}=2s, 500ms or 1m.");
    }
}
