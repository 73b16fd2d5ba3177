using System.Text.Json.Nodes;

namespace Cocoon.Tests.Vectors;

/// <summary><c>ton-vectors</c>: reads <c>{id, kind, in}</c> lines on stdin, writes <c>{id, out}</c> lines on stdout.</summary>
internal static class TonVectorsTool
{
    public static int Run(TextReader input, TextWriter output, TextWriter errors)
    {
        int failed = 0;
        while (input.ReadLine() is { } line)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            JsonNode? question = JsonNode.Parse(line);
            JsonObject answer = new() { ["id"] = (string?)question!["id"] };
            try
            {
                answer["out"] = TonVectorAnswers.Answer((string)question["kind"]!, question["in"]!);
            }
            catch (Exception fault)
            {
                // One bad question must not cost the answers to the others.
                answer["error"] = fault.Message;
                errors.WriteLine($"{question["id"]}: {fault.Message}");
                failed++;
            }

            output.WriteLine(answer.ToJsonString());
        }

        return failed == 0 ? 0 : 1;
    }
}
