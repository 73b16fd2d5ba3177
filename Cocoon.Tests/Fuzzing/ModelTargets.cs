using System.Text;
using Cocoon.Enclave.Inference;
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

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        FuzzTarget.Of<GgufException>("models/gguf", 200, bytes => GgufReader.Read(bytes, FileLength).RequireLoadable(), GgufSample()),
        FuzzTarget.Of("models/manifest", 300, bytes => ModelManifest.TryDecode(bytes, out _)),
        FuzzTarget.Of("models/chat-template", 100, bytes => ChatTemplate.TryCreate(Encoding.UTF8.GetString(bytes), "<s>", "</s>", TimeProvider.System, out _),
            Encoding.UTF8.GetBytes(TestModel.ChatTemplate)),
        FuzzTarget.Of<OpenAiRequestException>("openai/chat-request", 600, bytes => OpenAiRequestReader.ReadChat(bytes, TenantKey.CreateRandom(), EngineCapabilities.Tools),
            """{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"stop":["x"],"logit_bias":{"7":-100},"n":2,"seed":-1}"""u8.ToArray()),
        FuzzTarget.Of<OpenAiRequestException>("openai/completion-request", 300, bytes => OpenAiRequestReader.ReadCompletion(bytes, TenantKey.CreateRandom()),
            """{"model":"m","prompt":[1,2],"max_tokens":5}"""u8.ToArray()),
    ];

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
