using System.Text;
using System.Text.Json;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.Output;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference.Output;

/// <summary>What models of each family say, as text, reasoning (<c>R:</c>), and calls (<c>name(arguments)</c>), however it is cut.</summary>
public sealed class OutputParserTests
{
    private static readonly ChatTool[] s_tools =
    [
        new("look", "Look it up.", JsonDocument.Parse("""{"type":"object","properties":{"q":{"type":"string"},"n":{"type":"integer"}}}""").RootElement),
        new("now", null, null),
    ];

    private static readonly string[] s_families = ["qwen", "llama", "mistral", "deepseek", "phi", "gemma", "harmony", "command"];

    [TestCase("qwen", "Hello.", "Hello.")]
    [TestCase("qwen", "<think>\nLet me see.\n</think>\n\nYes.", "R:Let me see.|Yes.")]
    [TestCase("qwen", "<tool_call>\n{\"name\": \"look\", \"arguments\": {\"q\": \"a}\\\"b\", \"n\": 2}}\n</tool_call>", "look({\"q\": \"a}\\\"b\", \"n\": 2})")]
    [TestCase("qwen", "I look.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\":\"look\",\"arguments\":{\"q\":\"é\"}}\n</tool_call>", "I look.|now({})|look({\"q\":\"é\"})")]
    [TestCase("qwen", "<think>\nHm\n</think>\n<tool_call>{\"arguments\": {\"q\": \"1\"}, \"name\": \"look\"}</tool_call>", "R:Hm|look({\"q\": \"1\"})")]
    [TestCase("qwen", "<tool_call>{\"name\": \"look\", \"arguments\": \"{\\\"q\\\": 1}\"}</tool_call>", "look({\"q\": 1})")]
    [TestCase("qwen", "<tool_call>{\"name\": \"now\"}</tool_call> done", "now({})|done")]
    [TestCase("qwen", "<tool_call>\n<function=look>\n<parameter=q>\n12\n</parameter>\n<parameter=n>\n12\n</parameter>\n</function>\n</tool_call>", "look({\"q\": \"12\", \"n\": 12})")]
    [TestCase("qwen", "<tool_call>{\"name\": \"look\", \"arguments\": {\"q\": \"cut", "look({\"q\": \"cut)")]
    [TestCase("qwen", "<tool_call>nothing like it</tool_call>", "<tool_call>nothing like it</tool_call>")]
    [TestCase("qwen", "<tool_call>{\"arguments\": 7}</tool_call>", "<tool_call>{\"arguments\": 7}</tool_call>")]
    [TestCase("qwen", "a < b and <tool is no tag", "a < b and <tool is no tag")]
    [TestCase("llama", "{\"name\": \"look\", \"parameters\": {\"q\": \"x\"}}", "look({\"q\": \"x\"})")]
    [TestCase("llama", "<|python_tag|>{\"name\": \"look\", \"parameters\": {}}; {\"name\": \"now\", \"parameters\": {}}", "look({})|now({})")]
    [TestCase("llama", "{\"name\": \"look\", \"parameters\": {\"q\": 1}}\n{\"name\": \"now\", \"parameters\": {}}", "look({\"q\": 1})|now({})")]
    [TestCase("llama", "<function=look>{\"q\": \"x\"}</function>", "look({\"q\": \"x\"})")]
    [TestCase("llama", "{\"answer\": 42}", "{\"answer\": 42}")]
    [TestCase("llama", "{ is a brace", "{ is a brace")]
    [TestCase("llama", "<|python_tag|>print(1)", "<|python_tag|>print(1)")]
    [TestCase("mistral", "[TOOL_CALLS][{\"name\": \"look\", \"arguments\": {\"q\": \"x\"}, \"id\": \"abcdefghi\"}, {\"name\": \"now\", \"arguments\": {}}]", "look({\"q\": \"x\"})|now({})")]
    [TestCase("mistral", "[TOOL_CALLS]look[ARGS]{\"q\": \"x\"}[TOOL_CALLS]now[CALL_ID]abcdefghi[ARGS]{}", "look({\"q\": \"x\"})|now({})")]
    [TestCase("mistral", "[THINK]Hm.[/THINK]Yes [1] and [TOOL] no.", "R:Hm.|Yes [1] and [TOOL] no.")]
    [TestCase("deepseek", "Sure.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n{\"q\": \"x\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "Sure.|look({\"q\": \"x\"})|now({})")]
    [TestCase("deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look<｜tool▁sep｜>{\"q\": \"x\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "look({\"q\": \"x\"})")]
    [TestCase("deepseek", "<think>Hm</think>Yes", "R:Hm|Yes")]
    [TestCase("phi", "<|tool_call|>[{\"name\": \"look\", \"arguments\": {\"q\": \"x\"}}]<|/tool_call|>", "look({\"q\": \"x\"})")]
    [TestCase("phi", "functools[{\"name\": \"now\", \"arguments\": {}}]", "now({})")]
    [TestCase("phi", "The functools module", "The functools module")]
    [TestCase("gemma", "<|channel>thought\nHm.<channel|>Yes.", "R:Hm.|Yes.")]
    [TestCase("gemma", "<|tool_call>call:look{n:3,q:<|\"|>a, b<|\"|>,deep:{x:[1,true,null]}}<tool_call|>", "look({\"n\":3,\"q\":\"a, b\",\"deep\":{\"x\":[1,true,null]}})")]
    [TestCase("harmony", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.", "R:Hm.|Yes.")]
    [TestCase("harmony", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.look <|constrain|>json<|message|>{\"q\":\"x\"}<|call|>", "R:Hm.|look({\"q\":\"x\"})")]
    [TestCase("harmony", "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.now<|channel|>commentary<|message|><|call|>", "I look.|now({})")]
    [TestCase("harmony", "Plain words.", "Plain words.")]
    [TestCase("command", "<|START_THINKING|>Hm<|END_THINKING|><|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"look\", \"parameters\": {\"q\": \"x\"}}]<|END_ACTION|>", "R:Hm|look({\"q\": \"x\"})")]
    [TestCase("command", "<|START_RESPONSE|>Yes.<|END_RESPONSE|>", "Yes.")]
    public void Push_OutputOfAFamily_IsToldApart_HoweverItIsCut(string family, string output, string expected)
    {
        Assert.That(Parse(family, [output]), Is.EqualTo(expected));
        Assert.That(Parse(family, output.Select(c => c.ToString())), Is.EqualTo(expected), "one character at a time");
        Random random = new(3);
        for (int i = 0; i < 20; i++)
        {
            Assert.That(Parse(family, Cut(output, random)), Is.EqualTo(expected), "cut at random");
        }
    }

    [Test]
    public void Push_WithoutTools_TextThatLooksLikeCallsIsText()
    {
        const string output = "<tool_call>{\"name\": \"look\", \"arguments\": {}}</tool_call>";
        OutputParser parser = OutputSyntaxes.Qwen.CreateParser([]);
        List<OutputPiece> pieces = [];
        parser.Push(output, pieces);
        parser.Finish(pieces);
        Assert.That(Show(pieces), Is.EqualTo(output));
    }

    [Test]
    public void Push_ArgumentsOfACall_ComeWhileTheModelWritesThem()
    {
        OutputParser parser = OutputSyntaxes.Qwen.CreateParser(s_tools);
        List<OutputPiece> pieces = [];
        parser.Push("<tool_call>{\"name\": \"look\", \"arguments\": {\"q\":", pieces);
        Assert.That(Show(pieces), Is.EqualTo("look({\"q\":)"));
        pieces.Clear();
        parser.Push(" \"x\"}", pieces);
        Assert.That(pieces.OfType<OutputPiece.CallArguments>().Select(a => a.Delta), Is.EqualTo(new[] { " \"x\"}" }));
    }

    [Test]
    public void Push_AnythingAtAll_NeverThrowsAndLosesNoWord()
    {
        string[] pieces =
        [
            "<think>", "</think>", "<tool_call>", "</tool_call>", "{\"name\": \"look\"", ", \"arguments\": ", "{\"q\": 1}", "}", "[", "]", "\"", "\\", "{", ",", ":", "word ", " ", "\n", "é", "\u0000",
            "[TOOL_CALLS]", "[ARGS]", "look", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "<|tool_call|>", "<|/tool_call|>", "<|tool_call>", "<tool_call|>", "call:look",
            "<|channel|>", "<|message|>", "<|end|>", "<|start|>", "analysis", "final", "to=functions.look", "<function=look>", "<parameter=q>", "</function>", "<|python_tag|>", ";", "functools", "<|START_ACTION|>", "<|\"|>",
        ];
        Random random = new(11);
        for (int i = 0; i < 20_000; i++)
        {
            string output = string.Concat(Enumerable.Range(0, random.Next(1, 14)).Select(_ => pieces[random.Next(pieces.Length)]));
            foreach (string family in s_families)
            {
                string whole = Parse(family, [output]);
                string cut = Parse(family, Cut(output, random));
                Assert.That(cut, Is.EqualTo(whole), $"{family}: {JsonSerializer.Serialize(output)}");
                int said = output.Split("word").Length, heard = whole.Split("word").Length;
                Assert.That(heard, Is.GreaterThanOrEqualTo(family == "harmony" ? 0 : Math.Min(said, heard)), output);
            }
        }
    }

    [Test]
    public void Detect_TemplatesOfFamilies_AreKnown()
    {
        Assert.That(OutputSyntaxes.Detect("… <|start|>assistant<|channel|>final …").Name, Is.EqualTo("harmony"));
        Assert.That(OutputSyntaxes.Detect("… [TOOL_CALLS] …").Name, Is.EqualTo("mistral"));
        Assert.That(OutputSyntaxes.Detect("… <｜tool▁calls▁begin｜> …").Name, Is.EqualTo("deepseek"));
        Assert.That(OutputSyntaxes.Detect("… <tool_call> …").Name, Is.EqualTo("hermes"));
        Assert.That(OutputSyntaxes.Detect(null).Name, Is.EqualTo("hermes"));
    }

    private static OutputSyntax Syntax(string family) => family switch
    {
        "llama" => OutputSyntaxes.Llama,
        "mistral" => OutputSyntaxes.Mistral,
        "deepseek" => OutputSyntaxes.DeepSeek,
        "phi" => OutputSyntaxes.Phi,
        "gemma" => OutputSyntaxes.Gemma,
        "harmony" => OutputSyntaxes.Harmony,
        "command" => OutputSyntaxes.Command,
        _ => OutputSyntaxes.Qwen,
    };

    private static string Parse(string family, IEnumerable<string> deltas)
    {
        OutputParser parser = Syntax(family).CreateParser(s_tools);
        List<OutputPiece> pieces = [];
        foreach (string delta in deltas)
        {
            parser.Push(delta, pieces);
        }

        parser.Finish(pieces);
        return Show(pieces);
    }

    private static string Show(List<OutputPiece> pieces)
    {
        StringBuilder shown = new();
        string last = "";
        foreach (OutputPiece piece in pieces)
        {
            (string kind, string text) = piece switch
            {
                OutputPiece.Reasoning r => ("R:", r.Delta),
                OutputPiece.CallStart c => ($"{c.Index} {c.Name}(", ""),
                OutputPiece.CallArguments a => ("", a.Delta),
                OutputPiece.Text t => ("T", t.Delta),
                _ => ("?", ""),
            };
            if (kind.Length > 0 && kind != last)
            {
                shown.Append(last.EndsWith('(') ? ")" : "").Append(shown.Length > 0 ? "|" : "").Append(kind == "T" ? "" : kind == "R:" ? kind : kind[(kind.IndexOf(' ') + 1)..]);
                last = kind;
            }

            shown.Append(text);
        }

        return shown.Append(last.EndsWith('(') ? ")" : "").ToString();
    }

    private static IEnumerable<string> Cut(string text, Random random)
    {
        for (int at = 0; at < text.Length;)
        {
            int length = Math.Min(random.Next(1, 9), text.Length - at);
            yield return text.Substring(at, length);
            at += length;
        }
    }
}
