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

        using StringWriter output = new();
        using StringWriter errors = new();
        using (StreamReader input = File.OpenText(path))
        {
            TonVectorsTool.Run(input, output, errors);
        }

        Assert.That(errors.ToString(), Is.Empty);
        string[] answers = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] vectors = File.ReadAllLines(path);
        Assert.That(answers, Has.Length.EqualTo(vectors.Length));
        Assert.Multiple(() =>
        {
            for (int i = 0; i < vectors.Length; i++)
            {
                JsonNode vector = JsonNode.Parse(vectors[i])!;
                JsonNode answer = JsonNode.Parse(answers[i])!["out"]!;
                foreach ((string key, JsonNode? expected) in vector["out"]!.AsObject())
                {
                    Assert.That(Comparable(key, answer[key]), Is.EqualTo(Comparable(key, expected)), $"{vector["id"]}.{key}");
                }
            }
        });
    }

    private static string? Comparable(string key, JsonNode? value) =>
        value is not null && key.EndsWith("boc", StringComparison.Ordinal)
            ? BocReader.ReadSingle(Convert.FromHexString((string)value!)).Hash.ToString()
            : value?.ToJsonString();
}
