namespace Cocoon.Enclave.Inference.Upstream;

internal enum UpstreamKind
{
    /// <summary>Speaks the OpenAI API; nothing more is known.</summary>
    Generic = 0,

    LlamaServer = 1,
    Vllm = 2,
    Sglang = 3,
    Ollama = 4,
}

/// <summary>How one server's API differs, and how it keeps the prompts of different clients apart.</summary>
/// <param name="SaltsCache">Its prefix cache takes a <c>cache_salt</c>: clients with different salts share nothing.</param>
/// <param name="CanForget">Its prefix cache can be told to stay out of a request (<c>cache_prompt: false</c>).</param>
/// <param name="CountsAsItGoes">Sends usage with every chunk when asked.</param>
/// <param name="HasSamplers">Takes <c>top_k</c>, <c>min_p</c> and <c>ignore_eos</c> beside OpenAI's fields.</param>
/// <param name="RepetitionField">Its name for the repetition penalty; <c>null</c>: none.</param>
/// <param name="HealthPath">Answers 200 while it can work.</param>
internal sealed record UpstreamTraits(
    string Name, bool SaltsCache, bool CanForget, bool CountsAsItGoes, bool HasSamplers, string? RepetitionField, string HealthPath)
{
    /// <summary>Whether another client's prompt can neither be found out by time nor by <c>cached_tokens</c>.</summary>
    public bool IsolatesTenants => SaltsCache || CanForget;

    public static UpstreamTraits Of(UpstreamKind kind) => kind switch
    {
        UpstreamKind.LlamaServer => new("llama-server", false, true, false, true, "repeat_penalty", "/health"),
        UpstreamKind.Vllm => new("vLLM", true, false, true, true, "repetition_penalty", "/health"),
        UpstreamKind.Sglang => new("SGLang", true, false, true, true, "repetition_penalty", "/health"),
        UpstreamKind.Ollama => new("Ollama", false, false, false, false, null, "/api/version"),
        _ => new("OpenAI-compatible server", false, false, false, false, null, "/v1/models"),
    };
}
