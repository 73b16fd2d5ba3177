using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Ton.Cells;
using NUnit.Framework;

namespace Cocoon.Tests.Vectors;

/// <summary>The TON vectors, made with the official JavaScript libraries; bags of cells are compared by the hash of their root.</summary>
public sealed class TonVectorTests
{
    [Test]
    public void Vectors_OfEveryKind_HaveTheirAnswers()
    {
        string? path = TestPaths.Vectors is { } folder ? Path.Combine(folder, "ton", "vectors.jsonl") : null;
        if (!File.Exists(path))
        {
            Assert.Ignore("shared/vectors/ton/vectors.jsonl is absent");
        }

        CheckAnswers(File.ReadAllLines(path), path);
    }

    /// <summary>Fresh questions in every run, with answers by @ton/core, @ton/ton and @ton/crypto.</summary>
    [Test, CancelAfter(300_000)]
    public async Task Vectors_MadeByTheOfficialLibraries_HaveTheirAnswers(CancellationToken cancellationToken)
    {
        string folder = Path.Combine(TestPaths.RepositoryRoot, "scripts", "devnet");
        if (!Directory.Exists(Path.Combine(folder, "node_modules")))
        {
            Assert.Ignore("scripts/devnet/node_modules is missing: run npm ci there");
        }

        string seed = Environment.TickCount.ToString(CultureInfo.InvariantCulture);
        ProcessStartInfo start = new("node", ["vectors/generate.mjs", $"--seed={seed}"])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
            WorkingDirectory = folder,
        };
        using Process generator = Process.Start(start)!;
        string questions = await generator.StandardOutput.ReadToEndAsync(cancellationToken);
        await generator.WaitForExitAsync(cancellationToken);
        Assert.That(generator.ExitCode, Is.Zero);
        CheckAnswers(questions.Split('\n', StringSplitOptions.RemoveEmptyEntries), $"vectors/generate.mjs --seed={seed}");
    }

    private static void CheckAnswers(string[] vectors, string source)
    {
        using StringReader input = new(string.Join('\n', vectors));
        using StringWriter output = new();
        using StringWriter errors = new();
        TonVectorsTool.Run(input, output, errors);
        Assert.That(errors.ToString(), Is.Empty, source);
        string[] answers = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(answers, Has.Length.EqualTo(vectors.Length), source);
        Assert.Multiple(() =>
        {
            for (int i = 0; i < vectors.Length; i++)
            {
                JsonNode vector = TonVectorsTool.Parse(vectors[i]);
                JsonNode answer = JsonNode.Parse(answers[i])!["out"]!;
                foreach ((string key, JsonNode? expected) in vector["out"]!.AsObject())
                {
                    Assert.That(Comparable(key, answer[key]), Is.EqualTo(Comparable(key, expected)), $"{vector["id"]}.{key} of {source}");
                }
            }
        });
    }

    private static string? Comparable(string key, JsonNode? value) =>
        value is not null && key.EndsWith("boc", StringComparison.Ordinal)
            ? BocReader.ReadSingle(Convert.FromHexString((string)value!)).Hash.ToString()
            : value?.ToJsonString();
}
