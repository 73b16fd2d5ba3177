using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Inference.LlamaCpp.Interop;

/// <summary>Refuses libraries whose structures are not the ones bound here: a named error now instead of a crash later.</summary>
/// <remarks>
/// Three checks: the release is a known one; the two parameter structures are written exactly to their known length (on x64, where
/// the return buffer is a hidden first argument that can be painted); every default has its known value, which catches fields that
/// moved inside a structure of equal size.
/// </remarks>
internal static unsafe class AbiGuard
{
    private const int ModelParamsWritten = 78;
    private const int ContextParamsWritten = 160;
    private const int Painted = 512;

    private static readonly string[] KnownReleases = ["0.4.", "0.5."];

    public static string Version() => LlamaNative.Text(LlamaNative.llama_version());

    /// <exception cref="EngineException"><see cref="EngineErrorCode.NativesUnsupported"/> naming the first difference.</exception>
    public static void Verify()
    {
        CheckRelease(Version());
        if (RuntimeInformation.ProcessArchitecture == Architecture.X64)
        {
            CheckWritten("llama_model_default_params", ModelParamsWritten);
            CheckWritten("llama_context_default_params", ContextParamsWritten);
        }

        CheckSize(nameof(LlamaModelParams), sizeof(LlamaModelParams), 80);
        CheckSize(nameof(LlamaContextParams), sizeof(LlamaContextParams), 160);
        CheckSize(nameof(LlamaBatch), sizeof(LlamaBatch), 56);
        CheckSize(nameof(GgmlDeviceProps), sizeof(GgmlDeviceProps), 56);
        CheckDefaults(LlamaNative.llama_model_default_params());
        CheckDefaults(LlamaNative.llama_context_default_params());
        Expect("llama_max_devices", (long)LlamaNative.llama_max_devices(), 16);
        Expect("llama_max_parallel_sequences", (long)LlamaNative.llama_max_parallel_sequences(), 256);
    }

    internal static void CheckRelease(string version)
    {
        if (!KnownReleases.Any(known => version.StartsWith(known, StringComparison.Ordinal)))
        {
            throw Refuse($"release '{version}' is not one of 0.4, 0.5");
        }
    }

    internal static void CheckDefaults(in LlamaModelParams m)
    {
        Expect("devices", m.devices is null, true);
        Expect("tensor_buft_overrides", m.tensor_buft_overrides is null, true);
        Expect("n_gpu_layers", m.n_gpu_layers, -1);
        Expect("split_mode", m.split_mode, 1);
        Expect("load_mode", m.load_mode, -1);
        Expect("lazy_mode", m.lazy_mode, 1);
        Expect("main_gpu", m.main_gpu, 0);
        Expect("tensor_split", m.tensor_split is null, true);
        Expect("progress_callback", m.progress_callback is null, true);
        Expect("kv_overrides", m.kv_overrides is null, true);
        Expect("vocab_only", m.vocab_only, 0);
        Expect("check_tensors", m.check_tensors, 0);
        Expect("use_extra_bufts", m.use_extra_bufts, 1);
        Expect("no_host", m.no_host, 0);
        Expect("no_alloc", m.no_alloc, 0);
        Expect("load_mtp", m.load_mtp, 0);
    }

    internal static void CheckDefaults(in LlamaContextParams c)
    {
        Expect("n_ctx", c.n_ctx, 512u);
        Expect("n_batch", c.n_batch, 2048u);
        Expect("n_ubatch", c.n_ubatch, 512u);
        Expect("n_seq_max", c.n_seq_max, 1u);
        Expect("n_rs_seq", c.n_rs_seq, 0u);
        Expect("n_outputs_max", c.n_outputs_max, 0u);
        Expect("n_outputs_max_per_seq", c.n_outputs_max_per_seq, 1u);
        Expect("n_threads", c.n_threads, 4);
        Expect("n_threads_batch", c.n_threads_batch, 4);
        Expect("ctx_type", c.ctx_type, 0);
        Expect("rope_scaling_type", c.rope_scaling_type, -1);
        Expect("pooling_type", c.pooling_type, -1);
        Expect("attention_type", c.attention_type, -1);
        Expect("flash_attn_type", c.flash_attn_type, -1);
        Expect("rope_freq_base", c.rope_freq_base, 0f);
        Expect("rope_freq_scale", c.rope_freq_scale, 0f);
        Expect("yarn_ext_factor", c.yarn_ext_factor, -1f);
        Expect("yarn_attn_factor", c.yarn_attn_factor, -1f);
        Expect("yarn_beta_fast", c.yarn_beta_fast, -1f);
        Expect("yarn_beta_slow", c.yarn_beta_slow, -1f);
        Expect("yarn_orig_ctx", c.yarn_orig_ctx, 0u);
        Expect("defrag_thold", c.defrag_thold, -1f);
        Expect("type_k", c.type_k, 1);
        Expect("type_v", c.type_v, 1);
        Expect("abort_callback", c.abort_callback is null, true);
        Expect("embeddings", c.embeddings, 0);
        Expect("offload_kqv", c.offload_kqv, 1);
        Expect("no_perf", c.no_perf, 1);
        Expect("op_offload", c.op_offload, 1);
        Expect("swa_full", c.swa_full, 1);
        Expect("kv_unified", c.kv_unified, 0);
        Expect("samplers", c.samplers is null, true);
        Expect("n_samplers", (long)c.n_samplers, 0);
        Expect("ctx_other", (long)c.ctx_other, 0);
    }

    private static void Expect<T>(string field, T actual, T expected)
        where T : IEquatable<T>
    {
        if (!actual.Equals(expected))
        {
            throw Refuse($"default of {field} is {actual}, expected {expected}");
        }
    }

    private static void CheckSize(string name, int actual, int expected)
    {
        if (actual != expected)
        {
            throw Refuse($"{name} has {actual} bytes, expected {expected}");
        }
    }

    private static void CheckWritten(string function, int expected)
    {
        var call = (delegate* unmanaged[Cdecl]<byte*, byte*>)NativeLibrary.GetExport(LlamaRuntime.Handle(LlamaNative.Llama), function);
        int written = Written(call);
        if (written != expected)
        {
            throw Refuse($"{function} writes {written} bytes, expected {expected}");
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Written(delegate* unmanaged[Cdecl]<byte*, byte*> call)
    {
        byte* first = stackalloc byte[Painted];
        byte* second = stackalloc byte[Painted];
        new Span<byte>(first, Painted).Fill(0xCC);
        new Span<byte>(second, Painted).Fill(0x33);
        call(first);
        call(second);
        int last = Painted;
        while (last > 0 && first[last - 1] != second[last - 1])
        {
            last--;
        }

        return last;
    }

    private static EngineException Refuse(string what) =>
        new(EngineErrorCode.NativesUnsupported, $"these llama.cpp libraries do not match this program: {what}; run scripts/llama");
}
