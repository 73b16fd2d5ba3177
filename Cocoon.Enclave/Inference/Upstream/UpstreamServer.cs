using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Inference;

namespace Cocoon.Enclave.Inference.Upstream;

/// <summary>What a look at the server told: which program, which version, which model, how much context.</summary>
internal sealed record UpstreamServer(UpstreamKind Kind, string Version, string Model, int ContextTokens)
{
    private const int DefaultContext = 4096;

    /// <exception cref="EngineException">Nothing answers there, or the model is not there or not the only one.</exception>
    public static async Task<UpstreamServer> DetectAsync(UpstreamClient client, UpstreamOptions options, CancellationToken cancellationToken)
    {
        using JsonDocument models = await client.FindAsync("/v1/models", cancellationToken)
            ?? throw new EngineException(EngineErrorCode.Unavailable, $"no OpenAI-compatible server answers at {options.Endpoint}v1/models; is it running, and is that its port?");
        (UpstreamKind kind, string version, int? context) = await DetectKindAsync(client, cancellationToken);
        JsonElement[] listed = models.RootElement.ValueKind == JsonValueKind.Object && models.RootElement.TryGetProperty("data", out JsonElement data) && data.ValueKind == JsonValueKind.Array
            ? [.. data.EnumerateArray().Where(m => Name(m) is not null)]
            : [];
        JsonElement model = options.Model is { } wanted
            ? listed.FirstOrDefault(m => Name(m) == wanted)
            : listed.Length == 1 ? listed[0] : default;
        if (model.ValueKind == JsonValueKind.Undefined)
        {
            string names = string.Join(", ", listed.Take(8).Select(Name));
            throw new EngineException(
                EngineErrorCode.ModelNotFound, options.Model is null ? $"the upstream server has {listed.Length} models, name one: {names}" : $"the upstream server has no {options.Model}: {names}");
        }

        // vLLM says max_model_len; llama-server meta.n_ctx_train, but its slots share what /props names.
        int said = context ?? Whole(model, "max_model_len") ?? DefaultContext;
        return new UpstreamServer(kind, version, Name(model)!, options.ContextTokens > 0 ? Math.Min(options.ContextTokens, context ?? int.MaxValue) : said);
    }

    /// <summary>
    /// A name instead of files: who offers the same server model offers the same id, and every face says that the link to the weights is claimed.
    /// </summary>
    public ModelManifest Manifest()
    {
        ImmutableArray<byte> name = [.. SHA256.HashData(Encoding.UTF8.GetBytes("cocoon/upstream-model/1\0" + Model))];
        return new ModelManifest([new ModelFile(1, name)], 1, name, [.. SHA256.HashData([])]);
    }

    private static async Task<(UpstreamKind Kind, string Version, int? Context)> DetectKindAsync(UpstreamClient client, CancellationToken cancellationToken)
    {
        using (JsonDocument? sglang = await client.FindAsync("/get_server_info", cancellationToken))
        {
            if (sglang?.RootElement.ValueKind == JsonValueKind.Object)
            {
                return (UpstreamKind.Sglang, Text(sglang.RootElement, "version"), Whole(sglang.RootElement, "context_length"));
            }
        }

        using (JsonDocument? ollama = await client.FindAsync("/api/version", cancellationToken))
        {
            if (ollama?.RootElement.ValueKind == JsonValueKind.Object && Text(ollama.RootElement, "version") is { Length: > 0 } version)
            {
                return (UpstreamKind.Ollama, version, null);
            }
        }

        using (JsonDocument? props = await client.FindAsync("/props", cancellationToken))
        {
            if (props?.RootElement.ValueKind == JsonValueKind.Object && props.RootElement.TryGetProperty("default_generation_settings", out JsonElement settings))
            {
                return (UpstreamKind.LlamaServer, Text(props.RootElement, "build_info"), settings.ValueKind == JsonValueKind.Object ? Whole(settings, "n_ctx") : null);
            }
        }

        using JsonDocument? vllm = await client.FindAsync("/version", cancellationToken);
        return vllm?.RootElement.ValueKind == JsonValueKind.Object && Text(vllm.RootElement, "version") is { Length: > 0 } found
            ? (UpstreamKind.Vllm, found, null)
            : (UpstreamKind.Generic, "", null);
    }

    private static string? Name(JsonElement model) =>
        model.ValueKind == JsonValueKind.Object && Text(model, "id") is { Length: > 0 and <= 256 } id ? id : null;

    private static string Text(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: <= 256 } text ? text : "";

    private static int? Whole(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number > 0 ? number : null;
}
