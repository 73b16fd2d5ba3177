using System.Text.Json;
using System.Text.Json.Nodes;

namespace Cocoon.Tests.Vectors;

/// <summary><c>ton-vectors</c>: reads <c>{id, kind, in}</c> lines on stdin, writes <c>{id, out}</c> lines on stdout.</summary>
internal static class TonVectorsTool
{
    /// <summary>Tuples nest as deep as cells do, and each takes two levels of JSON.</summary>
    private static readonly JsonDocumentOptions s_json = new() { MaxDepth = 4096 };

    public static int Run(TextReader input, TextWriter output, TextWriter errors)
    {
        int failed = 0;
        while (input.ReadLine() is { } line)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            JsonObject answer = [];
            try
            {
                JsonNode question = Parse(line);
                answer["id"] = (string?)question["id"];
                answer["out"] = TonVectorAnswers.Answer((string)question["kind"]!, question["in"]!);
            }
            catch (Exception fault)
            {
                // One bad question must not cost the answers to the others.
                answer["error"] = fault.Message;
                errors.WriteLine($"{answer["id"] ?? line[..Math.Min(line.Length, 60)]}: {fault.Message}");
                failed++;
            }

            output.WriteLine(answer.ToJsonString());
        }

        return failed == 0 ? 0 : 1;
    }

    internal static JsonNode Parse(string line) => JsonNode.Parse(line, documentOptions: s_json)!;
}
