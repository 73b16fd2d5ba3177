using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Attestation;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Receipts;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon verify receipt.json</c>: offline, from the file and the pinned roots alone.</summary>
internal static class VerifyCommand
{
    public static Command Build()
    {
        Argument<FileInfo> path = new("receipt") { Description = "Receipt file, as in receipts/ of a client's data directory" };
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Option<bool> allowOpen = new("--allow-open") { Description = "Accept simulated evidence (tier open)" };
        Option<string?> policyFile = AttestCommand.PolicyOption();
        Command command = new("verify", "Check a receipt offline\n\nExample: cocoon verify ~/.cocoon/receipts/5c0f….json") { path, output, allowOpen, policyFile, data };
        command.Run((parse, _) =>
        {
            FileInfo file = parse.GetValue(path)!;
            if (!file.Exists)
            {
                throw new CliException(ExitCode.NotFound, $"there is no receipt file {file.FullName}", null, "Receipts are in receipts/ of a light client's data directory.");
            }

            ReceiptFile receipt = (file.Length <= ReceiptFile.MaxBytes ? ReceiptFile.Parse(File.ReadAllBytes(file.FullName)) : null)
                ?? throw new CliException(
                    ExitCode.CheckFailed, $"{file.FullName} is no receipt", $"not the JSON of a receipt of version {ReceiptFile.CurrentVersion}, or not all of it",
                    "Copy it again from receipts/ of the client's data directory.");
            AppraisalPolicy policy = PolicyFiles.Read(parse.GetValue(policyFile), parse.GetValue(data)!).AllowingSimulated(parse.GetValue(allowOpen));
            ReceiptVerdict verdict = ReceiptVerifier.Verify(receipt, policy, TimeProvider.System);
            JsonObject document = new()
            {
                ["schema"] = ControlJson.Schema,
                ["valid"] = verdict.Valid,
                ["tier"] = verdict.Tier,
                ["evidence_kind"] = verdict.EvidenceKind,
                ["total_nanoton"] = ControlJson.Nanoton(verdict.TotalNanoton),
                ["checks"] = new JsonArray([.. verdict.Checks.Select(c => new JsonObject { ["name"] = c.Name, ["ok"] = c.Ok, ["detail"] = c.Detail })]),
                ["not_covered"] = new JsonArray([.. ReceiptVerifier.NotCovered.Select(w => JsonValue.Create(w))]),
            };
            RowWriter.WriteObject(document, parse.GetValue(output), Lines, Console.Out);
            if (verdict.Checks.Any(c => c.Name == "evidence" && c.Detail.Contains(ReasonWords.PolicySimulated, StringComparison.Ordinal)))
            {
                Console.Error.WriteLine("  fix  the evidence is simulated (tier open); add --allow-open if that is what you accepted");
            }

            bool evidence = verdict.Checks.FirstOrDefault(c => c.Name == "evidence") is { Ok: false };
            return Task.FromResult(verdict.Valid ? ExitCode.Ok : evidence ? ExitCode.AttestationRefused : ExitCode.CheckFailed);
        });
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject document)
    {
        foreach (JsonNode? check in document["checks"]!.AsArray())
        {
            string verdict = check!["ok"]?.GetValue<bool>() switch { true => "ok  ", false => "FAIL", null => "-   " };
            yield return (check["name"]!.ToString(), $"{verdict}  {check["detail"]}");
        }

        yield return ("VERDICT", $"{(document["valid"]!.GetValue<bool>() ? "valid" : "NOT VALID")} (tier {document["tier"]}, evidence {document["evidence_kind"]})");
        foreach (JsonNode? words in document["not_covered"]!.AsArray())
        {
            yield return ("", $"not covered: {words}");
        }
    }
}
