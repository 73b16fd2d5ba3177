using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.Templates;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference.Templates;

/// <summary>
/// The interpreter against <c>@huggingface/jinja</c>: the chat templates of public models, as their GGUF files carry them, each rendered
/// with every conversation by both at test time.
/// </summary>
public sealed class TemplateConformanceTests
{
    private const string Weather =
        """{"type":"function","function":{"name":"get_weather","description":"Weather of a city.","parameters":{"type":"object","properties":{"city":{"type":"string","description":"Name of the city"},"unit":{"type":"string","enum":["C","F"]},"days":{"type":"integer"}},"required":["city"]}}}""";

    private const string Now = """{"type":"function","function":{"name":"now","description":"The time.","parameters":{"type":"object","properties":{}}}}""";

    private const string Call =
        """{"role":"assistant","content":"","tool_calls":[{"id":"abcdefghi","type":"function","function":{"name":"get_weather","arguments":{"city":"Zürich","days":2}}}]}""";

    /// <summary>Messages and tools; the rest of the context is the same for all.</summary>
    private static readonly (string Messages, string Tools)[] s_conversations =
    [
        ("""[{"role":"user","content":"Hello <b>you</b> & 'me'"}]""", "null"),
        ("""[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello.\n"},{"role":"user","content":" Again? "}]""", "null"),
        ("""[{"role":"user","content":"Think"},{"role":"assistant","content":"<think>\nHm.\n</think>\n\nYes."},{"role":"user","content":"More"}]""", "null"),
        ("""[{"role":"user","content":"Weather?"}]""", $"[{Weather}]"),
        ($$"""[{"role":"system","content":"Use tools."},{"role":"user","content":"Weather?"},{{Call}},{"role":"tool","content":"{\"t\": 3.5}","tool_call_id":"abcdefghi"}]""", $"[{Weather},{Now}]"),
    ];

    /// <summary>Templates that use what the independent implementation does not have; here it is only seen that ours renders.</summary>
    private static readonly Dictionary<string, string> s_beyondIt = new()
    {
        ["library/qwen3-coder:30b"] = "Unknown ArrayValue filter: reject",
        ["library/llama3.2-vision:90b"] = "Expected iterable or object type in for loop: got StringValue",
        ["library/llama3.2-vision:latest"] = "Expected iterable or object type in for loop: got StringValue",
    };

    /// <summary>Templates that are no chat templates of text models alone, or that need values which no conversation has.</summary>
    private static readonly string[] s_notChat = ["library/firefunction-v2:70b", "library/llama-guard3:1b", "library/shieldgemma:27b"];

    private static readonly string s_folder = Path.Combine(TestPaths.RepositoryRoot, "scripts", "templates");

    private JsonElement[] _rendered = [];

    [OneTimeSetUp]
    public async Task RenderAsync()
    {
        if (!Directory.Exists(Path.Combine(s_folder, "node_modules", "@huggingface", "jinja")))
        {
            Assert.Ignore("the npm package '@huggingface/jinja' is not installed: scripts/setup.d/55-templates.sh");
        }

        ProcessStartInfo start = new("node", ["render.mjs"]) { WorkingDirectory = s_folder, RedirectStandardInput = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        await process.StandardInput.WriteAsync("[" + string.Join(',', Variants.Select(v => Context(v.Conversation, v.Typed, v.TextArguments).ToJsonString())) + "]");
        process.StandardInput.Close();
        using JsonDocument document = await JsonDocument.ParseAsync(process.StandardOutput.BaseStream);
        await process.WaitForExitAsync();
        _rendered = [.. document.RootElement.Clone().EnumerateArray()];
        Assert.That(_rendered, Has.Length.GreaterThan(90), "the list of templates was read");
    }

    [TestCase("Qwen 2, 2.5, 3, Coder, Next, QwQ", "library/qwen", "library/qwq", ExpectedResult = 11)]
    [TestCase("DeepSeek R1, V2.5, V3, V3.1, Coder", "library/deepseek", "library/r1-", "library/deepcoder", ExpectedResult = 9)]
    [TestCase("Llama 2, 3, 3.1, 3.2, 4", "library/llama", "library/nemotron:", "library/tulu", ExpectedResult = 11)]
    [TestCase("Gemma 2, 3", "library/gemma", ExpectedResult = 3)]
    [TestCase("Mistral, Mixtral, Devstral, tools", "library/mistral", "library/mixtral", "library/devstral", "mistral-tools", ExpectedResult = 7)]
    [TestCase("Phi 3, 3.5, 4, mini, reasoning", "library/phi", ExpectedResult = 7)]
    [TestCase("gpt-oss", "gpt-oss", ExpectedResult = 1)]
    [TestCase("Hermes", "library/hermes", "library/nous-hermes", "hermes-tools", ExpectedResult = 3)]
    [TestCase("Granite, Command, GLM and all others", "", ExpectedResult = 97)]
    public int Render_TemplatesOfAFamily_EqualTheIndependentImplementation(string family, params string[] prefixes)
    {
        JsonElement[] templates = [.. _rendered.Where(t => Name(t) is var name && !s_notChat.Contains(name) && prefixes.Any(p => name.StartsWith(p, StringComparison.Ordinal)))];
        foreach (JsonElement template in templates)
        {
            Compare(template);
        }

        return templates.Length;
    }

    /// <summary>Each conversation in the four forms that templates expect: content as text or parts, arguments as object or text.</summary>
    private static IEnumerable<((string Messages, string Tools) Conversation, bool Typed, bool TextArguments)> Variants =>
        from conversation in s_conversations from typed in (bool[])[false, true] from text in (bool[])[false, true] select (conversation, typed, text);

    private static void Compare(JsonElement element)
    {
        string source = element.GetProperty("template").GetString()!;
        ChatTemplate template = new(source, "<s>", "</s>", TimeProvider.System);
        foreach ((((string Messages, string Tools) conversation, bool typed, bool text), JsonElement result) in Variants.Zip(element.GetProperty("results").EnumerateArray()))
        {
            if (typed != template.TakesTypedContent || text != template.TakesTextArguments)
            {
                continue;
            }

            string at = $"{Name(element)}: {conversation.Messages} gave {result}";
            if (result.TryGetProperty("text", out JsonElement expected))
            {
                Assert.That(Render(template, conversation), Is.EqualTo(expected.GetString()), at);
            }
            else if (s_beyondIt.GetValueOrDefault(Name(element)) == result.GetProperty("error").GetString())
            {
                Assert.That(Render(template, conversation), Is.Not.Empty, at);
            }
            else
            {
                Assert.That(() => Render(template, conversation), Throws.InstanceOf<TemplateException>(), at);
            }
        }
    }

    private static string Name(JsonElement template) => template.GetProperty("name").GetString()!;

    private static JsonObject Context((string Messages, string Tools) conversation, bool typed, bool textArguments)
    {
        JsonArray messages = JsonNode.Parse(conversation.Messages)!.AsArray();
        foreach (JsonNode? message in messages)
        {
            if (typed)
            {
                message!["content"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = (string)message["content"]! });
            }

            foreach (JsonNode? call in textArguments ? message!["tool_calls"]?.AsArray() ?? [] : [])
            {
                call!["function"]!["arguments"] = Arguments(call["function"]!["arguments"]!);
            }
        }

        return new JsonObject
        {
            ["messages"] = messages,
            ["tools"] = JsonNode.Parse(conversation.Tools),
            ["add_generation_prompt"] = true,
            ["bos_token"] = "<s>",
            ["eos_token"] = "</s>",
        };
    }

    private static string Arguments(JsonNode arguments) => arguments.ToJsonString(new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    private static string Render(ChatTemplate template, (string Messages, string Tools) conversation)
    {
        using JsonDocument messages = JsonDocument.Parse(conversation.Messages);
        using JsonDocument tools = JsonDocument.Parse(conversation.Tools);
        return template.Render(new PromptInput.Chat([.. messages.RootElement.EnumerateArray().Select(Message)])
        {
            Tools = tools.RootElement.ValueKind == JsonValueKind.Array ? [.. tools.RootElement.EnumerateArray().Select(Tool)] : [],
        }).Join();
    }

    private static ChatTool Tool(JsonElement tool)
    {
        JsonElement function = tool.GetProperty("function");
        return new ChatTool(function.GetProperty("name").GetString()!, function.GetProperty("description").GetString(), function.GetProperty("parameters").Clone());
    }

    private static ChatMessage Message(JsonElement message) => new(message.GetProperty("role").GetString()!, message.GetProperty("content").GetString()!)
    {
        ToolCallId = message.TryGetProperty("tool_call_id", out JsonElement id) ? id.GetString() : null,
        ToolCalls = message.TryGetProperty("tool_calls", out JsonElement calls)
            ? [.. calls.EnumerateArray().Select(c => new ChatToolCall(
                c.GetProperty("id").GetString()!, c.GetProperty("function").GetProperty("name").GetString()!, Arguments(JsonNode.Parse(c.GetProperty("function").GetProperty("arguments").GetRawText())!)))]
            : [],
    };
}
