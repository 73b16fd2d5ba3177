using System.Text;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.Grammars;
using Cocoon.Enclave.Inference.Output;
using Cocoon.Enclave.Inference.Templates;
using Cocoon.Enclave.Models;
using Cocoon.Enclave.Sessions;
using Cocoon.Protocol.Inference;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.Fuzzing;

/// <summary>Model files, manifests, chat templates, and the requests that reach the enclave.</summary>
internal static class ModelTargets
{
    private const int FileLength = 1 << 30;

    private static readonly byte[][] Schemas =
    [
        """{"type":"object","properties":{"a":{"enum":["x",1,null]},"b":{"type":"array","items":{"$ref":"#/$defs/d"},"maxItems":3}},"required":["a"],"$defs":{"d":{"type":"integer","minimum":-3,"maximum":99}}}"""u8.ToArray(),
        """{"anyOf":[{"type":"string","pattern":"^[a-c]{2,5}(x|y)?$"},{"type":"string","format":"date-time"},{"const":{"k":[true]}}]}"""u8.ToArray(),
    ];

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        FuzzTarget.Of<GgufException>("models/gguf", 200, bytes => GgufReader.Read(bytes, FileLength).RequireLoadable(), GgufSample()),
        FuzzTarget.Of("models/manifest", 300, bytes => ModelManifest.TryDecode(bytes, out _)),
        FuzzTarget.Of("models/chat-template", 100, bytes => ChatTemplate.TryCreate(Encoding.UTF8.GetString(bytes), "<s>", "</s>", TimeProvider.System, out _),
            Encoding.UTF8.GetBytes(TestModel.ChatTemplate)),
        FuzzTarget.Of<OpenAiRequestException>("openai/chat-request", 600, bytes => OpenAiRequestReader.ReadChat(bytes, TenantKey.CreateRandom(), EngineCapabilities.Tools),
            """{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"stop":["x"],"logit_bias":{"7":-100},"n":2,"seed":-1}"""u8.ToArray()),
        FuzzTarget.Of<OpenAiRequestException>("openai/completion-request", 300, bytes => OpenAiRequestReader.ReadCompletion(bytes, TenantKey.CreateRandom(), EngineCapabilities.Grammar),
            """{"model":"m","prompt":[1,2],"max_tokens":5}"""u8.ToArray()),
        FuzzTarget.Of<OpenAiRequestException>("openai/embedding-request", 300, bytes => EmbeddingRequestReader.Read(bytes, EngineCapabilities.Embeddings),
            """{"model":"m","input":["a",[1,2]],"dimensions":5}"""u8.ToArray()),
        new("openai/json-schema", 400, () => new FuzzSubject(CompileSchema, Schemas)) { MaxAllocation = 64 << 20 },
        Output("hermes", OutputSyntaxes.Qwen, "<think>a</think>b<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": [1]}}</tool_call>"),
        Output("hermes-xml", OutputSyntaxes.Qwen, "<tool_call><function=f><parameter=a>1</parameter></function></tool_call>"),
        Output("llama", OutputSyntaxes.Llama, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}; {\"name\": \"f\"}"),
        Output("mistral", OutputSyntaxes.Mistral, "[THINK]a[/THINK][TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS]{\"a\": 1}[TOOL_CALLS][{\"name\": \"f\"}]"),
        Output("deepseek", OutputSyntaxes.DeepSeek, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"),
        Output("phi", OutputSyntaxes.Phi, "<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}]<|/tool_call|>"),
        Output("gemma", OutputSyntaxes.Gemma, "<|channel>thought\na<channel|><|tool_call>call:f{a:<|\"|>b<|\"|>,c:[1]}<tool_call|>"),
        Output("harmony", OutputSyntaxes.Harmony, "<|channel|>analysis<|message|>a<|end|><|start|>assistant to=functions.f<|channel|>commentary<|message|>{}<|call|>"),
    ];

    /// <summary>A schema on the way that it takes: in a request, through the compiler, and before an answer, here its own text.</summary>
    private static void CompileSchema(byte[] bytes)
    {
        byte[] body =
        [
            .. """{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":"""u8, .. bytes, .. "}}}"u8,
        ];
        try
        {
            GrammarMatcher matcher = new(OutputGrammar.Compile(OpenAiRequestReader.ReadChat(body, TenantKey.CreateRandom(), EngineCapabilities.Grammar).Constraint!));
            matcher.Try(bytes);
        }
        catch (Exception exception) when (exception is OpenAiRequestException or EngineException { Code: EngineErrorCode.InvalidRequest })
        {
            // The answers that a client gets.
        }
    }

    /// <summary>What a model says, given to the parser in two parts at every kind of place.</summary>
    private static FuzzTarget Output(string family, OutputSyntax syntax, string sample) => FuzzTarget.Of(
        $"output/{family}",
        300,
        bytes =>
        {
            OutputParser parser = syntax.CreateParser([new ChatTool("f", null, null)]);
            List<OutputPiece> pieces = [];
            string text = Encoding.UTF8.GetString(bytes);
            int cut = bytes.Length == 0 ? 0 : bytes[0] % (text.Length + 1);
            parser.Push(text[..cut], pieces);
            parser.Push(text[cut..], pieces);
            parser.Finish(pieces);
        },
        Encoding.UTF8.GetBytes(sample));

    private static byte[] GgufSample()
    {
        using GgufWriter writer = new();
        writer.Add("general.architecture", "llama");
        writer.Add("general.name", "fuzz");
        writer.Add("llama.block_count", 1u);
        writer.Add("llama.rope.freq_base", 10_000f);
        writer.Add("tokenizer.ggml.tokens", (IReadOnlyList<string>)["<s>", "</s>", "a"]);
        writer.Add("tokenizer.ggml.token_type", (IReadOnlyList<int>)[3, 3, 1]);
        writer.Add("token_embd.weight", GgufWeights.F32, 4, 3, () => new byte[48]);
        using MemoryStream file = new();
        writer.WriteTo(file);
        return file.ToArray();
    }
}
