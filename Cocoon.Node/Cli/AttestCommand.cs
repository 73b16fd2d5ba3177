using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Attestation;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Sessions;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon attest</c>: check evidence offline, show policy and reason words.</summary>
internal static class AttestCommand
{
    public static Command Build() => new("attest", "Hardware evidence: check it offline, see the policy that decides, and what each refusal means")
    {
        AttestShowCommand.Build(),
        BuildVerify(),
        BuildPolicy(),
        BuildReasons(),
    };

    private static Command BuildVerify()
    {
        Option<string?> kind = new("--kind") { Description = "tdx, sev-snp or nvidia", HelpName = "KIND" };
        Option<string?> evidence = new("--evidence") { Description = "Quote or report: raw, hexadecimal, base64, or NVIDIA's JSON", HelpName = "FILE" };
        Option<string[]> collateral = new("--collateral")
        {
            Description = "Certificates, revocation lists, TCB info, RIMs: files or folders; may be repeated",
            HelpName = "PATH",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [],
        };
        Option<string?> caseFile = new("--case") { Description = "A case.json that names kind, files and time", HelpName = "FILE" };
        Option<string?> at = new("--at") { Description = "Time at which to check, as 2026-01-31T12:00:00Z (default: the case's own, else now)", HelpName = "TIME" };
        Option<string?> policyFile = PolicyOption();
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Command command = new(
            "verify",
            "Check a piece of evidence offline; exit code 7 when it is refused\n\n" +
            "Example: cocoon attest verify --kind tdx --evidence quote.bin --collateral ./collateral --at 2026-03-31T00:00:00Z -o json")
        {
            kind, evidence, collateral, caseFile, at, policyFile, data, output,
        };
        command.Run((parse, _) =>
        {
            AppraisalPolicy policy = PolicyFiles.Read(parse.GetValue(policyFile), parse.GetValue(data)!);
            DateTimeOffset? time = ParseTime(parse.GetValue(at));
            RawAppraisal appraisal = parse.GetValue(caseFile) is { } path
                ? EvidenceCase.Open(path, time).Appraise(policy, TimeProvider.System)
                : Appraise(parse.GetValue(kind), parse.GetValue(evidence), parse.GetValue(collateral)!, policy, time ?? TimeProvider.System.GetUtcNow());
            RowWriter.WriteObject(appraisal.ToJson(), parse.GetValue(output), Lines, Console.Out);
            return Task.FromResult(appraisal.Verdict == Verdict.Accepted ? ExitCode.Ok : ExitCode.AttestationRefused);
        });
        return command;
    }

    private static Command BuildPolicy()
    {
        Option<string?> policyFile = PolicyOption();
        Option<string> data = CommonOptions.Data();
        Command command = new(
            "policy",
            $"Print the policy in force, every field of it: that of the light client that runs here, else its file, else the built-in one\n\nExample: cocoon attest policy > {PolicyFiles.FileName}") { policyFile, data };
        command.Run(async (parse, cancellationToken) =>
        {
            Console.WriteLine(AppraisalPolicyFile.Format(await PolicySource.ReadAsync(parse.GetValue(policyFile), parse.GetValue(data)!, cancellationToken, isForPrinting: true)));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildReasons()
    {
        RowOptionSet rows = new();
        Command command = new("reasons", "Every word that a refusal can carry, and what it means");
        rows.AddTo(command);
        IReadOnlyList<Column> columns = [new("word", "WORD"), new("meaning", "MEANING")];
        command.Run((parse, _) =>
        {
            JsonObject document = new()
            {
                ["schema"] = ControlJson.Schema,
                ["reasons"] = new JsonArray([.. AllReasons.Select(r => new JsonObject { ["word"] = r.Word, ["meaning"] = r.Meaning })]),
            };
            RowWriter.Write(document, "reasons", columns, rows.Read(parse), Console.Out);
            return Task.FromResult(ExitCode.Ok);
        });
        return command;
    }

    /// <summary>Those of evidence, those of sessions, then those of other files that <c>verify --case</c> reads.</summary>
    internal static IEnumerable<ReasonWord> AllReasons => ReasonWords.Described.Concat(SessionReasons.All).Concat(NrasToken.Reasons).Concat(HpkeVectors.Reasons);

    /// <summary>A reason word with its meaning behind it.</summary>
    internal static string Explain(string word) => $"{word}: {AllReasons.FirstOrDefault(r => r.Word == word)?.Meaning}";

    internal static Option<string?> PolicyOption() => new("--policy")
    {
        Description = $"Policy file (default: {PolicyFiles.FileName} in the data directory, else the built-in policy, which accepts no image)",
        HelpName = "FILE",
    };

    private static RawAppraisal Appraise(string? kind, string? evidence, string[] paths, AppraisalPolicy policy, DateTimeOffset time)
    {
        if (kind is null || evidence is null)
        {
            throw new CliException(ExitCode.Usage, "nothing to check", "--kind and --evidence, or --case, say what", "See cocoon attest verify --help.");
        }

        CollateralSet collateral = new();
        byte[] bytes = EvidenceFiles.ReadEvidence(evidence, collateral);
        EvidenceFiles.AddCollateral(paths, collateral);
        return kind switch
        {
            "tdx" => RawAppraiser.AppraiseTdx(bytes, collateral, policy, time),
            "sev-snp" => RawAppraiser.AppraiseSnp(bytes, collateral, policy, time),
            "nvidia" => RawAppraiser.AppraiseGpu(bytes, collateral, policy, time),
            _ => throw new CliException(ExitCode.Usage, $"'{kind}' is no kind of evidence", null, "--kind is tdx, sev-snp or nvidia."),
        };
    }

    private static DateTimeOffset? ParseTime(string? text) => text is null ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) ? time
        : throw new CliException(ExitCode.Usage, $"'{text}' is no time", null, "For example --at 2026-03-31T00:00:00Z.");

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject document)
    {
        yield return ("VERDICT", document["verdict"]!.GetValue<string>());
        yield return ("EVIDENCE", document["evidence_valid"]!.GetValue<bool>() ? "valid: signatures, certificates and dates hold" : "NOT VALID");
        foreach (string word in document["reasons"]!.AsArray().Select(r => r!.GetValue<string>()))
        {
            yield return ("REASON", Explain(word));
        }

        foreach ((string name, JsonNode? value) in document["facts"]!.AsObject())
        {
            yield return (name, Words.Printable(value switch { null => "-", JsonObject or JsonArray => value.ToJsonString(), _ => value.ToString() }));
        }
    }
}
