using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Attestation;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Identity;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon attest show [PEER]</c>: the evidence of this node's enclave, or of a provider's, appraised in this process.</summary>
internal static class AttestShowCommand
{
    public static Command Build()
    {
        Argument<string?> peer = new("peer") { Description = "A provider: its id, name or part of its id (default: this node)", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> allowOpen = new("--allow-open") { Description = "Accept simulated evidence (tier open)" };
        Option<string?> save = new("--save") { Description = "Write the evidence bundle to a file", HelpName = "FILE" };
        Option<string?> policyFile = AttestCommand.PolicyOption();
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Command command = new("show", "Evidence of a running node's enclave, appraised here by the policy of the light client that runs here (or --policy); exit code 7 when it is refused\n\nExample: cocoon attest show 12D3…QeLQJ4 -o json")
        {
            peer, allowOpen, save, policyFile, data, output,
        };
        command.Run(async (parse, cancellationToken) =>
        {
            AppraisalPolicy policy = (await PolicySource.ReadAsync(parse.GetValue(policyFile), parse.GetValue(data)!, cancellationToken)).AllowingSimulated(parse.GetValue(allowOpen));
            using ControlClient client = new(parse.GetValue(data)!);
            string query = parse.GetValue(peer) is { } named ? "?peer=" + Uri.EscapeDataString(named) : "";
            JsonObject answer = await client.GetAsync("/control/attestation" + query, cancellationToken);
            byte[] bundle = Convert.FromBase64String(answer["bundle"]!.GetValue<string>());
            if (parse.GetValue(save) is { } path)
            {
                await File.WriteAllBytesAsync(path, bundle, cancellationToken);
            }

            string id = answer["peer_id"]!.GetValue<string>();
            JsonObject document = new() { ["schema"] = ControlJson.Schema, ["peer_id"] = id };
            foreach ((string name, JsonNode? value) in BundleReport.Write(bundle, PeerId.Parse(id).Memory, policy, TimeProvider.System.GetUtcNow()))
            {
                document[name] = value?.DeepClone();
            }

            RowWriter.WriteObject(document, parse.GetValue(output), Lines, Console.Out);
            return document["verdict"]?.GetValue<string>() == "accepted" ? ExitCode.Ok : ExitCode.AttestationRefused;
        });
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject document)
    {
        yield return ("PEER", document["peer_id"]!.ToString());
        yield return ("VERDICT", $"{document["verdict"]} under policy {document["policy"]}");
        foreach (string word in document["reasons"]!.AsArray().Select(r => r!.GetValue<string>()))
        {
            yield return ("REASON", AttestCommand.Explain(word));
        }

        yield return ("EVIDENCE", $"{document["evidence_kind"] ?? "-"}  tier {document["tier"] ?? "-"}  {document["evidence_bytes"]} bytes  sha256 {document["evidence_digest"]}");
        yield return ("ISSUED", $"{Words.Time(document["issued_at"])}  valid until {Words.Time(document["valid_until"])}");
        yield return ("RULES", $"{document["enclave_policy"]?["profile"] ?? "-"}  sha256 {document["policy_digest"] ?? "-"}");
        foreach (JsonNode? model in document["models"]?.AsArray() ?? [])
        {
            yield return ("MODEL", $"{model}  {document["model_assurance"]}");
        }

        foreach (JsonNode? protection in document["protections"]?.AsArray() ?? [])
        {
            yield return ("PROTECTION", Words.Printable($"{protection!["name"]}  {protection["state"]}  {protection["detail"]}"));
        }

        foreach ((string name, JsonNode? value) in document["facts"]?.AsObject() ?? [])
        {
            yield return (name, Words.Printable(value?.ToString() ?? "-"));
        }
    }
}
