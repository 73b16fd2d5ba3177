using System.Text;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Sessions;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Sessions;

public sealed class OpenAiRequestReaderTests
{
    private const string Full = """
        {"model":"m","stream":true,"unknown":{"x":[1]},
         "messages":[{"role":"system","content":"be brief"},
                     {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"n"},
                     {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},
                     {"role":"tool","tool_call_id":"c1","content":"42"}],
         "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],
         "tool_choice":{"type":"function","function":{"name":"f"}},
         "max_tokens":5,"max_completion_tokens":7,"temperature":0.5,"top_p":0.9,"n":2,"seed":-1,"stop":["x","y"],
         "frequency_penalty":1,"presence_penalty":-1,"logit_bias":{"7":-100},"logprobs":true,"top_logprobs":3,
         "reasoning_effort":"low","response_format":{"type":"text"}}
        """;

    [Test]
    public void ReadChat_EveryField_IsTaken()
    {
        GenerationRequest request = Read(Full, EngineCapabilities.Tools);
        PromptInput.Chat chat = (PromptInput.Chat)request.Prompt;
        Assert.That(chat.Messages.Select(m => (m.Role, m.Content)), Is.EqualTo(new[] { ("system", "be brief"), ("user", "ab"), ("assistant", ""), ("tool", "42") }));
        Assert.That(chat.Messages[2].ToolCalls.Single(), Is.EqualTo(new ChatToolCall("c1", "f", "{}")));
        Assert.That((chat.ToolChoice, chat.ToolChoiceFunction), Is.EqualTo((ToolChoiceMode.Function, "f")));
        Assert.That(chat.TemplateArguments.Keys, Is.EqualTo(new[] { "reasoning_effort" }));
        Assert.That((request.MaxTokens, request.Choices, request.Stop.Length), Is.EqualTo(((int?)7, 2, 2)));
        Assert.That((request.Sampling.Temperature, request.Sampling.TopP, request.Sampling.Seed), Is.EqualTo((0.5f, 0.9f, (ulong?)ulong.MaxValue)));
        Assert.That((request.Sampling.Logprobs, request.Sampling.TopLogprobs, request.Sampling.LogitBias[7]), Is.EqualTo((true, 3, -100f)));
    }

    [Test]
    public void ReadChat_Defaults_AreOpenAis()
    {
        GenerationRequest request = Read("""{"messages":[{"role":"user","content":"x"}],"temperature":null}""");
        Assert.That((request.MaxTokens, request.Choices, request.Sampling.Temperature), Is.EqualTo(((int?)null, 1, 1f)));
    }

    [TestCase("""[]""", null)]
    [TestCase("""{"messages":"x"}""", "messages")]
    [TestCase("""{"messages":[{"role":"wizard","content":"x"}]}""", "messages[0].role")]
    [TestCase("""{"messages":[{"role":"user"}]}""", "messages[0].content")]
    [TestCase("""{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}""", "messages[0].content")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"n":9}""", "n")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"max_tokens":0}""", "max_tokens")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"top_p":"high"}""", "top_p")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"stop":[""]}""", "stop")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"logit_bias":{"a":1}}""", "logit_bias")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"}}""", "response_format")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"tool_choice":"required"}""", "tool_choice")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"top_logprobs":2}""", "top_logprobs")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"functions":[]}""", "functions")]
    [TestCase("""{"messages":[{"role":"user","content":"x"}],"response_format":"json"}""", "response_format")]
    [TestCase("""{"messages":[{"role":"user","content":"\ud800"}]}""", null)]
    public void ReadChat_Malformed_NamesTheField(string json, string? param)
    {
        OpenAiRequestException error = Assert.Throws<OpenAiRequestException>(() => Read(json))!;
        Assert.That((error.Param, error.Status), Is.EqualTo((param, 400)));
    }

    [TestCase("""{"type":"object","properties":{"\ud800":{}}}""")]
    [TestCase("""{"enum":["\udc00x"]}""")]
    [TestCase("{\"enum\":[\"\u00FF\"]}")]
    public void ReadChat_TextThatIsNoUnicodeWhereItIsReadLater_IsRefusedAtOnce(string parameters)
    {
        string[] bodies =
        [
            """{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":HERE}}]}""",
            """{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":HERE}}}""",
            """{"messages":[{"role":"user","content":"x"}],"chat_template_kwargs":HERE}""",
        ];
        foreach (string body in bodies)
        {
            // Latin-1 bytes: what stands for itself above 7F is no UTF-8.
            byte[] bytes = Encoding.Latin1.GetBytes(body.Replace("HERE", parameters, StringComparison.Ordinal));
            OpenAiRequestException error = Assert.Throws<OpenAiRequestException>(() => OpenAiRequestReader.ReadChat(
                bytes, TenantKey.CreateRandom(), EngineCapabilities.Tools | EngineCapabilities.Grammar))!;
            Assert.That(error.Message, Does.Contain("not Unicode"));
        }
    }

    [Test]
    public void ReadChat_ToolsWithoutBound_AreRefused()
    {
        const string tool = """{"type":"function","function":{"name":"f","parameters":PARAMETERS}}""";
        string many = string.Join(',', Enumerable.Repeat(tool.Replace("PARAMETERS", "{}", StringComparison.Ordinal), 129));
        string large = tool.Replace("PARAMETERS", $$"""{"description":"{{new string('x', 300_000)}}"}""", StringComparison.Ordinal);
        string named = tool.Replace("\"f\"", "\"a b\"", StringComparison.Ordinal).Replace("PARAMETERS", "{}", StringComparison.Ordinal);
        foreach (string tools in (string[])[many, large, named])
        {
            string json = $$"""{"messages":[{"role":"user","content":"x"}],"tools":[{{tools}}]}""";
            Assert.That(Assert.Throws<OpenAiRequestException>(() => Read(json, EngineCapabilities.Tools))!.Param, Is.EqualTo("tools"));
        }
    }

    [Test]
    public void ReadChat_ResponseFormat_BecomesAConstraint()
    {
        GenerationRequest schema = Read(
            """{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object"}}}}""", EngineCapabilities.Grammar);
        GenerationRequest any = Read("""{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"}}""", EngineCapabilities.Grammar);
        Assert.That(((OutputConstraint.JsonSchema)schema.Constraint!).Schema.GetRawText(), Is.EqualTo("""{"type":"object"}"""));
        Assert.That(any.Constraint, Is.InstanceOf<OutputConstraint.JsonObject>());
    }

    [Test]
    public void ReadEmbeddings_TextsOrTokens_AreTaken()
    {
        EmbeddingRequest request = EmbeddingRequestReader.Read("""{"input":["a",[1,2]],"dimensions":8}"""u8.ToArray(), EngineCapabilities.Embeddings);
        Assert.That((request.Inputs.Length, request.Dimensions), Is.EqualTo((2, (int?)8)));
        foreach (string wrong in (string[])["""{"input":""}""", """{"input":[]}""", """{"input":[[]]}""", """{"input":7}""", "{}"])
        {
            Assert.That(() => EmbeddingRequestReader.Read(Encoding.UTF8.GetBytes(wrong), EngineCapabilities.Embeddings), Throws.InstanceOf<OpenAiRequestException>(), wrong);
        }
    }

    [Test]
    public void ReadCompletion_TextOrTokens_IsTaken()
    {
        Assert.That(Completion("""{"prompt":"hi"}""").Prompt, Is.EqualTo(new PromptInput.Text("hi")));
        Assert.That(((PromptInput.Tokens)Completion("""{"prompt":[1,2]}""").Prompt).Ids, Is.EqualTo(new[] { 1, 2 }));
        Assert.That(Completion("""{"prompt":["hi"]}""").MaxTokens, Is.EqualTo(16));
        Assert.That(() => Completion("""{"prompt":["a","b"]}"""), Throws.InstanceOf<OpenAiRequestException>());
    }

    private static GenerationRequest Read(string json, EngineCapabilities capabilities = EngineCapabilities.None) =>
        OpenAiRequestReader.ReadChat(Encoding.UTF8.GetBytes(json), TenantKey.CreateRandom(), capabilities);

    private static GenerationRequest Completion(string json) =>
        OpenAiRequestReader.ReadCompletion(Encoding.UTF8.GetBytes(json), TenantKey.CreateRandom(), EngineCapabilities.Chat | EngineCapabilities.Completion);
}
