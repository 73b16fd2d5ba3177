using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary>The one way to an on-chain action: a preview with its fees, the owner's word, then the action.</summary>
internal sealed class OnChain
{
    private readonly Option<string> _data = CommonOptions.Data();
    private readonly Option<OutputFormat> _output = CommonOptions.Output();
    private readonly Option<bool> _yes = CommonOptions.Yes();
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Show what would be sent and what it would cost, and do nothing" };

    public Option<string> Data => _data;

    public Option<OutputFormat> Output => _output;

    public Option<bool> Yes => _yes;

    public bool IsDryRun(ParseResult parse) => parse.GetValue(_dryRun);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_data, _output, _yes, _dryRun])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>By the running node: asks for the preview, shows it, and does it when the owner agrees.</summary>
    public async Task<int> RunAsync(
        ParseResult parse, string path, JsonObject body, Func<JsonObject, IEnumerable<(string Label, string Value)>> lines, CancellationToken cancellationToken)
    {
        if (await AskAndPostAsync(parse, path, body, cancellationToken) is { } document)
        {
            Print(parse, document, lines);
        }

        return ExitCode.Ok;
    }

    /// <summary>The node's answer, or <c>null</c> after a dry run.</summary>
    public async Task<JsonObject?> AskAndPostAsync(ParseResult parse, string path, JsonObject body, CancellationToken cancellationToken)
    {
        using ControlClient client = new(parse.GetValue(_data)!);
        JsonObject draft = (JsonObject)body.DeepClone();
        draft["dry_run"] = true;
        return await AgreeAsync(parse, await client.PostAsync(path, draft, cancellationToken), cancellationToken) ? await client.PostAsync(path, body, cancellationToken) : null;
    }

    public void Print(ParseResult parse, JsonObject document, Func<JsonObject, IEnumerable<(string Label, string Value)>> lines) =>
        RowWriter.WriteObject(document, parse.GetValue(_output), lines, Console.Out);

    /// <summary>Shows a preview; <c>false</c>: it was a dry run, whose data is the preview itself.</summary>
    /// <exception cref="CliException">The owner said no, or nobody is there to ask.</exception>
    public async Task<bool> AgreeAsync(ParseResult parse, JsonObject preview, CancellationToken cancellationToken)
    {
        if (IsDryRun(parse))
        {
            RowWriter.WriteObject(preview, parse.GetValue(_output), Lines, Console.Out);
            return false;
        }

        await Confirmation.AskAsync(
            string.Join("\n  ", Lines(preview).Select(line => line.Label == "ACTION" ? line.Value : $"{line.Label.ToLowerInvariant(),-8}{line.Value}")),
            parse.GetValue(_yes),
            cancellationToken);
        return true;
    }

    public static JsonObject ToJson<T>(T document) => JsonSerializer.SerializeToNode(document, ControlJson.Options)!.AsObject();

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject d)
    {
        yield return ("ACTION", $"{d["action"]}");
        yield return ("FROM", $"{d["from"]}, which holds {Words.Ton(d["balance_nanoton"])} TON");
        yield return ("TO", $"{d["to"]}");
        yield return ("VALUE", $"{Words.Ton(d["value_nanoton"])} TON");
        yield return ("FEES", $"about {Words.Ton(d["fees_nanoton"])} TON ({d["fee_source"]})");
        if (d["affordable"]?.GetValue<bool>() == false)
        {
            yield return ("LACKS", $"{Words.Ton(d["needed_nanoton"])} TON are needed");
        }
    }
}
