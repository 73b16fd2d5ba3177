using Cocoon.Enclave.Inference.LlamaCpp.Interop;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>Turns token lists into pooled vectors, several in one batch. One thread at a time.</summary>
internal sealed unsafe class EmbeddingContext : IDisposable
{
    private readonly int _dimensions;
    private nint _handle;
    private LlamaBatch _batch;

    /// <exception cref="EngineException"><see cref="EngineErrorCode.OutOfMemory"/> when llama.cpp cannot make it.</exception>
    public EmbeddingContext(LlamaModel model, int sequences, int context, int threads)
    {
        LlamaContextParams parameters = LlamaNative.llama_context_default_params();

        // Attention to both sides cannot be split over batches: an input is read whole. One shared cache, because with one per sequence
        // llama.cpp cuts inputs of unequal length apart and pools only the last piece of each.
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = (uint)context;
        parameters.kv_unified = 1;
        parameters.n_seq_max = (uint)sequences;
        parameters.n_threads = parameters.n_threads_batch = threads;
        parameters.embeddings = 1;
        _handle = LlamaNative.llama_init_from_model(model.Handle, parameters);
        if (_handle == 0)
        {
            throw new EngineException(EngineErrorCode.OutOfMemory, $"llama.cpp could not make a context of {context} tokens");
        }

        _dimensions = LlamaNative.llama_model_n_embd_out(model.Handle);
        Sequences = sequences;
        Capacity = Math.Min(context, (int)LlamaNative.llama_n_ctx_seq(_handle));
        _batch = LlamaNative.llama_batch_init(context, 0, 1);
    }

    /// <summary>Most inputs of one batch.</summary>
    public int Sequences { get; }

    /// <summary>Most tokens of one batch, and so of one input.</summary>
    public int Capacity { get; }

    /// <summary>One vector of unit length per input. The inputs fit in one batch.</summary>
    /// <exception cref="EngineException">llama.cpp failed.</exception>
    public float[][] Embed(ReadOnlySpan<int[]> inputs)
    {
        _batch.n_tokens = 0;
        for (int sequence = 0; sequence < inputs.Length; sequence++)
        {
            for (int i = 0; i < inputs[sequence].Length; i++)
            {
                int row = _batch.n_tokens++;
                _batch.token[row] = inputs[sequence][i];
                _batch.pos[row] = i;
                _batch.n_seq_id[row] = 1;
                _batch.seq_id[row][0] = sequence;
                _batch.logits[row] = 1;
            }
        }

        nint memory = LlamaNative.llama_get_memory(_handle);
        if (memory != 0)
        {
            LlamaNative.llama_memory_clear(memory, 1);
        }

        if (LlamaNative.llama_decode(_handle, _batch) != 0)
        {
            throw new EngineException(EngineErrorCode.Internal, "computing the embedding failed");
        }

        float[][] vectors = new float[inputs.Length][];
        for (int sequence = 0; sequence < inputs.Length; sequence++)
        {
            float* values = LlamaNative.llama_get_embeddings_seq(_handle, sequence);
            vectors[sequence] = values is null
                ? throw new EngineException(EngineErrorCode.Internal, "the model gave no embedding")
                : new ReadOnlySpan<float>(values, _dimensions).ToArray();
        }

        return vectors;
    }

    public void Dispose()
    {
        if (_handle != 0)
        {
            LlamaNative.llama_batch_free(_batch);
            LlamaNative.llama_free(_handle);
            _handle = 0;
        }
    }
}
