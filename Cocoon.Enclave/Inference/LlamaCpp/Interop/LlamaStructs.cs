using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Inference.LlamaCpp.Interop;

/// <summary>llama_model_params of releases 0.4 and 0.5, 64-bit: 80 bytes, 78 written.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LlamaModelParams
{
    public nint* devices;
    public void* tensor_buft_overrides;
    public int n_gpu_layers;
    public int split_mode;
    public int load_mode;
    public int lazy_mode;
    public int main_gpu;
    public float* tensor_split;
    public delegate* unmanaged[Cdecl]<float, void*, byte> progress_callback;
    public void* progress_callback_user_data;
    public void* kv_overrides;
    public byte vocab_only;
    public byte check_tensors;
    public byte use_extra_bufts;
    public byte no_host;
    public byte no_alloc;
    public byte load_mtp;
}

/// <summary>llama_context_params of releases 0.4 and 0.5, 64-bit: 160 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LlamaContextParams
{
    public uint n_ctx;
    public uint n_batch;
    public uint n_ubatch;
    public uint n_seq_max;
    public uint n_rs_seq;
    public uint n_outputs_max;
    public uint n_outputs_max_per_seq;
    public int n_threads;
    public int n_threads_batch;
    public int ctx_type;
    public int rope_scaling_type;
    public int pooling_type;
    public int attention_type;
    public int flash_attn_type;
    public float rope_freq_base;
    public float rope_freq_scale;
    public float yarn_ext_factor;
    public float yarn_attn_factor;
    public float yarn_beta_fast;
    public float yarn_beta_slow;
    public uint yarn_orig_ctx;
    public float defrag_thold;
    public void* cb_eval;
    public void* cb_eval_user_data;
    public int type_k;
    public int type_v;
    public delegate* unmanaged[Cdecl]<void*, byte> abort_callback;
    public void* abort_callback_data;
    public byte embeddings;
    public byte offload_kqv;
    public byte no_perf;
    public byte op_offload;
    public byte swa_full;
    public byte kv_unified;
    public void* samplers;
    public nuint n_samplers;
    public nint ctx_other;
}

/// <summary>llama_batch: 56 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LlamaBatch
{
    public int n_tokens;
    public int* token;
    public float* embd;
    public int* pos;
    public int* n_seq_id;
    public int** seq_id;
    public byte* logits;
}

[StructLayout(LayoutKind.Sequential)]
internal struct GgmlDeviceCaps
{
    public byte async;
    public byte host_buffer;
    public byte buffer_from_host_ptr;
    public byte events;
    public byte mmap_support;
}

/// <summary>ggml_backend_dev_props: 56 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct GgmlDeviceProps
{
    public byte* name;
    public byte* description;
    public nuint memory_free;
    public nuint memory_total;
    public int type;
    public byte* device_id;
    public GgmlDeviceCaps caps;
}
