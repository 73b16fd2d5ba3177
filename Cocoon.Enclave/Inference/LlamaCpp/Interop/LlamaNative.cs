using System.Runtime.InteropServices;

namespace Cocoon.Enclave.Inference.LlamaCpp.Interop;

/// <summary>The bound part of the C interfaces of llama.cpp and ggml. Names are theirs.</summary>
/// <remarks>Nothing here may be called before <see cref="LlamaRuntime.Load"/>: it resolves the libraries and checks their ABI.</remarks>
internal static unsafe partial class LlamaNative
{
    public const string Llama = "llama";
    public const string Ggml = "ggml";
    public const string GgmlBase = "ggml-base";

    [LibraryImport(Ggml, StringMarshalling = StringMarshalling.Utf8)]
    public static partial void ggml_backend_load_all_from_path(string dir);

    [LibraryImport(Ggml)]
    public static partial nuint ggml_backend_dev_count();

    [LibraryImport(Ggml)]
    public static partial nint ggml_backend_dev_get(nuint index);

    [LibraryImport(GgmlBase)]
    public static partial void ggml_backend_dev_get_props(nint device, GgmlDeviceProps* props);

    [LibraryImport(GgmlBase)]
    public static partial nint ggml_backend_dev_backend_reg(nint device);

    [LibraryImport(GgmlBase)]
    public static partial byte* ggml_backend_reg_name(nint reg);

    [LibraryImport(Llama)]
    public static partial void llama_backend_init();

    [LibraryImport(Llama)]
    public static partial byte* llama_version();

    [LibraryImport(Llama)]
    public static partial void llama_log_set(delegate* unmanaged[Cdecl]<int, byte*, void*, void> callback, void* userData);

    [LibraryImport(Llama)]
    public static partial LlamaModelParams llama_model_default_params();

    [LibraryImport(Llama)]
    public static partial LlamaContextParams llama_context_default_params();

    [LibraryImport(Llama)]
    public static partial nuint llama_max_devices();

    [LibraryImport(Llama)]
    public static partial nuint llama_max_parallel_sequences();

    [LibraryImport(Llama, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint llama_model_load_from_file(string path, LlamaModelParams parameters);

    [LibraryImport(Llama)]
    public static partial nint llama_model_load_from_splits(byte** paths, nuint count, LlamaModelParams parameters);

    [LibraryImport(Llama)]
    public static partial void llama_model_free(nint model);

    [LibraryImport(Llama)]
    public static partial nint llama_model_get_vocab(nint model);

    [LibraryImport(Llama)]
    public static partial int llama_model_n_ctx_train(nint model);

    [LibraryImport(Llama)]
    public static partial ulong llama_model_n_params(nint model);

    [LibraryImport(Llama)]
    public static partial byte llama_model_has_encoder(nint model);

    [LibraryImport(Llama)]
    public static partial byte llama_model_has_decoder(nint model);

    [LibraryImport(Llama)]
    public static partial byte llama_model_is_recurrent(nint model);

    [LibraryImport(Llama)]
    public static partial byte llama_model_is_hybrid(nint model);

    [LibraryImport(Llama)]
    public static partial nint llama_init_from_model(nint model, LlamaContextParams parameters);

    [LibraryImport(Llama)]
    public static partial void llama_free(nint context);

    [LibraryImport(Llama)]
    public static partial uint llama_n_ctx_seq(nint context);

    [LibraryImport(Llama)]
    public static partial uint llama_n_batch(nint context);

    [LibraryImport(Llama)]
    public static partial uint llama_n_seq_max(nint context);

    [LibraryImport(Llama)]
    public static partial void llama_set_abort_callback(nint context, delegate* unmanaged[Cdecl]<void*, byte> callback, void* data);

    [LibraryImport(Llama)]
    public static partial LlamaBatch llama_batch_init(int tokens, int embd, int sequences);

    [LibraryImport(Llama)]
    public static partial void llama_batch_free(LlamaBatch batch);

    [LibraryImport(Llama)]
    public static partial int llama_decode(nint context, LlamaBatch batch);

    [LibraryImport(Llama)]
    public static partial void llama_synchronize(nint context);

    [LibraryImport(Llama)]
    public static partial float* llama_get_logits_ith(nint context, int index);

    [LibraryImport(Llama)]
    public static partial nint llama_get_memory(nint context);

    [LibraryImport(Llama)]
    public static partial void llama_memory_clear(nint memory, byte data);

    [LibraryImport(Llama)]
    public static partial byte llama_memory_seq_rm(nint memory, int sequence, int from, int to);

    [LibraryImport(Llama)]
    public static partial void llama_memory_seq_cp(nint memory, int source, int destination, int from, int to);

    [LibraryImport(Llama)]
    public static partial int llama_vocab_n_tokens(nint vocab);

    [LibraryImport(Llama)]
    public static partial int llama_vocab_type(nint vocab);

    [LibraryImport(Llama)]
    public static partial int llama_vocab_bos(nint vocab);

    [LibraryImport(Llama)]
    public static partial int llama_vocab_eos(nint vocab);

    [LibraryImport(Llama)]
    public static partial byte llama_vocab_is_eog(nint vocab, int token);

    [LibraryImport(Llama)]
    public static partial byte llama_vocab_get_add_bos(nint vocab);

    [LibraryImport(Llama)]
    public static partial int llama_vocab_get_attr(nint vocab, int token);

    [LibraryImport(Llama)]
    public static partial int llama_tokenize(nint vocab, byte* text, int textLength, int* tokens, int maxTokens, byte addSpecial, byte parseSpecial);

    [LibraryImport(Llama)]
    public static partial int llama_token_to_piece(nint vocab, int token, byte* buffer, int length, int lstrip, byte special);

    [LibraryImport(Llama)]
    public static partial int llama_model_n_embd_out(nint model);

    [LibraryImport(Llama)]
    public static partial int llama_pooling_type(nint context);

    [LibraryImport(Llama)]
    public static partial float* llama_get_embeddings_seq(nint context, int sequence);

    public static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";
}
