using System.Text.Json.Nodes;
using Cocoon.Node.Attestation;
using Cocoon.Protocol.Attestation;
using NUnit.Framework;

namespace Cocoon.Tests.Vectors;

/// <summary>Real evidence of real machines: the facts are those that the shared vectors expect, and only within their windows.</summary>
public sealed class AttestationVectorTests
{
    private static readonly string[] RecordedBeside =
    [
        "events", "replayedRtmr", "matchesQuote", "issuer", "thisUpdate", "nextUpdate", "revokedSerials", "colloquialVersion", "activeMeasurements", "certificates",
    ];

    public static IEnumerable<TestCaseData> Cases => Find().Select(path => new TestCaseData(path) { TestName = Name(path) });

    [TestCaseSource(nameof(Cases))]
    public void Case_AtItsTime_HasTheExpectedFacts(string path)
    {
        JsonObject expected = Expected(path, out JsonObject vector);
        RawAppraisal appraisal = Open(path, null);
        foreach ((string name, JsonNode? value) in expected)
        {
            Assert.That(appraisal.Facts.ContainsKey(name), $"fact {name}");
            Assert.That(JsonNode.DeepEquals(Plain(appraisal.Facts[name]), value), $"{name}: {appraisal.Facts[name]?.ToJsonString()} not {value?.ToJsonString()}");
        }

        bool isGood = (vector["expect"]?["refuse"] ?? null) is null && (expected["chainValid"] ?? true).GetValue<bool>();
        Assert.That(appraisal.IsEvidenceValid, Is.EqualTo(isGood), string.Join(' ', appraisal.Reasons));
        if (vector["expect"]?["refuse"] is not null)
        {
            Assert.That(appraisal.Facts, Is.Empty);
        }

        Assert.That(appraisal.Reasons, Is.SubsetOf(Cocoon.Node.Cli.AttestCommand.AllReasons.Select(r => r.Word)));
    }

    [Test]
    public void Case_OneSecondOutsideItsWindow_IsRefused()
    {
        int windows = 0;
        foreach (string path in Find())
        {
            JsonObject vector = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
            if (vector["validFrom"]?.GetValue<DateTimeOffset>() is not { } from || vector["validUntil"]?.GetValue<DateTimeOffset>() is not { } until)
            {
                continue;
            }

            Assert.That(Open(path, from).IsEvidenceValid, $"{Name(path)} from {from:O}");
            Assert.That(Open(path, until).IsEvidenceValid, $"{Name(path)} until {until:O}");
            Assert.That(Open(path, from.AddSeconds(-1)).IsEvidenceValid, Is.False, $"{Name(path)} before {from:O}");
            Assert.That(Open(path, until.AddSeconds(1)).IsEvidenceValid, Is.False, $"{Name(path)} after {until:O}");
            windows++;
        }

        Assert.That(windows, Is.GreaterThanOrEqualTo(10).Or.Zero);
        IgnoreWhenAbsent();
    }

    [Test]
    public void HpkeVectors_OfEveryMode_Match()
    {
        IgnoreWhenAbsent();
        RawAppraisal appraisal = Open(Path.Combine(TestPaths.Vectors!, "attestation", "hpke", "rfc9180-x25519-sha256.json"), null);
        Assert.That(appraisal.IsEvidenceValid, appraisal.Facts.ToJsonString());
    }

    [Test]
    public void Collateral_OfAnotherPlatform_IsRefusedByName()
    {
        IgnoreWhenAbsent();
        string folder = Path.Combine(TestPaths.Vectors!, "attestation", "tdx");
        Cocoon.Protocol.Attestation.Collateral.CollateralSet foreign = new();
        EvidenceFiles.AddCollateral([Path.Combine(folder, "collateral", "50806f-2026-03")], foreign);
        RawAppraisal appraisal = RawAppraiser.AppraiseTdx(
            File.ReadAllBytes(Path.Combine(folder, "google-v5-90c06f", "quote.bin")), foreign, AppraisalPolicy.Default, new DateTimeOffset(2026, 3, 31, 0, 0, 0, TimeSpan.Zero));
        Assert.That(appraisal.Reasons, Does.Contain("tdx.collateral.mismatch"));
        Assert.That(appraisal.IsEvidenceValid, Is.False);
    }

    private static RawAppraisal Open(string path, DateTimeOffset? at) => EvidenceCase.Open(path, at).Appraise(AppraisalPolicy.Default, TimeProvider.System);

    /// <summary>What the vector expects, and what it records beside that about the same evidence.</summary>
    private static JsonObject Expected(string path, out JsonObject vector)
    {
        vector = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        JsonObject expected = vector["expect"]?.DeepClone().AsObject() ?? [];
        expected.Remove("refuse");
        foreach (string name in RecordedBeside)
        {
            if (vector[name] is { } value)
            {
                expected[name] = value.DeepClone();
            }
        }

        return expected;
    }

    // Values that were made from numbers and those that were parsed compare by their text.
    private static JsonNode? Plain(JsonNode? node) => node is null ? null : JsonNode.Parse(node.ToJsonString());

    private static IEnumerable<string> Find()
    {
        if (TestPaths.Vectors is not { } vectors || !Directory.Exists(Path.Combine(vectors, "attestation")))
        {
            return [];
        }

        string[] kinds = ["ohttp-rfc9458-appendix-a", "tdx-quote", "sgx-quote", "snp-report", "snp-forged-vcek", "amd-crl", "nvidia-gpu", "nvidia-rim", "ccel"];
        return Directory.EnumerateFiles(Path.Combine(vectors, "attestation"), "*.json", SearchOption.AllDirectories)
            .Where(f => JsonNode.Parse(File.ReadAllText(f)) is JsonObject o && o["kind"] is { } kind && kinds.Contains(kind.GetValue<string>()))
            .Order(StringComparer.Ordinal);
    }

    private static string Name(string path) => Path.GetRelativePath(Path.Combine(TestPaths.Vectors!, "attestation"), path).Replace("/case.json", "", StringComparison.Ordinal);

    private static void IgnoreWhenAbsent()
    {
        if (!Find().Any())
        {
            Assert.Ignore("shared vectors are absent");
        }
    }
}
