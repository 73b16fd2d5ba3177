using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon net doctor</c>: what is so, why it matters, what to do.</summary>
internal static class NetCommand
{
    private static readonly Column[] Columns =
    [
        new("name", "CHECK") { IsKey = true },
        new("verdict", "VERDICT"),
        new("what", "WHAT"),
        new("why", "WHY"),
        new("fix", "FIX"),
    ];

    public static Command Build()
    {
        Option<bool> strict = new("--strict") { Description = "Warnings count as failures" };
        NodeSource source = new();
        RowOptionSet rows = new();
        Command doctor = new("doctor", "Examine this node's place in the network; exit code 1 when something fails\n\nExample: cocoon net doctor --strict") { strict };
        source.AddTo(doctor);
        rows.AddTo(doctor);
        doctor.Run(async (parse, cancellationToken) =>
        {
            await using ObservedNode node = await source.OpenAsync(parse, cancellationToken);
            RowOptions options = rows.Read(parse);
            string worst = "ok";
            async Task<JsonObject> Fetch(CancellationToken token)
            {
                JsonObject fetched = await node.Client.GetAsync("/control/net/doctor", ListCommand.Wait, token);
                worst = (string?)fetched["verdict"] ?? "fail";
                return fetched;
            }

            if (options is { Format: OutputFormat.Table, IsQuiet: false, Columns: null } && !rows.IsWatched(parse))
            {
                JsonObject document = await Fetch(cancellationToken);
                WriteReport(document, options.Apply(RowWriter.Rows(document, "checks"), Columns), Console.Out);
            }
            else
            {
                await rows.PrintAsync(parse, Fetch, "checks", Columns, null, cancellationToken);
            }

            return worst == "fail" || (worst == "warn" && parse.GetValue(strict)) ? ExitCode.CheckFailed : ExitCode.Ok;
        });
        return new Command("net", "This node's place in the network") { doctor };
    }

    private static void WriteReport(JsonObject document, List<JsonObject> checks, TextWriter output)
    {
        int width = checks.Count == 0 ? 0 : checks.Max(c => c["name"]!.ToString().Length);
        foreach (JsonObject check in checks)
        {
            string verdict = (string?)check["verdict"] == "unmeasured" ? "-" : $"{check["verdict"]}";
            bool unmeasured = verdict == "-";
            output.WriteLine(Words.OneLine($"{verdict,-5} {check["name"]!.ToString().PadRight(width)}  {check["what"]}{(unmeasured && check["why"] is { } reason ? $" ({reason})" : "")}"));
            if (!unmeasured && check["why"] is { } why)
            {
                output.WriteLine(Words.OneLine($"        why   {why}"));
            }

            if (check["fix"] is { } fix)
            {
                output.WriteLine(Words.OneLine($"        fix   {fix}"));
            }
        }

        foreach (JsonObject address in RowWriter.Rows(document, "addresses"))
        {
            string announced = (bool?)address["announced"] == true ? "announced" : "not announced", verified = (bool?)address["verified"] == true ? "verified" : "unverified";
            output.WriteLine(Words.OneLine($"      address  {address["address"]}  {address["source"]}, {announced}, {verified}, {address["observers"]} observers"));
        }
    }
}
