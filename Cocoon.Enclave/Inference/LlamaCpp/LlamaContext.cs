using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>Outcome of one decode, after llama.cpp's return codes.</summary>
internal enum DecodeResult
{
    Done = 0,

    /// <summary>No room in the cache; nothing changed.</summary>
    NoRoom = 1,

    /// <summary>The abort flag was raised; part of the batch may be in the cache.</summary>
    Aborted = 2,

    /// <summary>The batch was refused; nothing changed.</summary>
    BadBatch = 3,

    /// <summary>Part of the batch may be in the cache and the context must not be used again.</summary>
    Fatal = 4,
}

/// <summary>A cache of sequences and one batch to fill it. Confined to the decode thread, except <see cref="Abort"/>.</summary>
internal sealed unsafe class LlamaContext : IDisposable
{
    private readonly Lock _abortGate = new();
    private readonly int* _abort;
    private readonly int _capacity;
    private readonly int _vocabulary;
    private nint _handle;
    private nint _memory;
    private LlamaBatch _batch;

    /// <exception cref="EngineException"><see cref="EngineErrorCode.OutOfMemory"/> when llama.cpp cannot make it.</exception>
    public LlamaContext(LlamaModel model, int sequences, int contextPerSequence, int batch, int threads)
    {
        LlamaContextParams parameters = LlamaNative.llama_context_default_params();
        parameters.n_ctx = checked((uint)(sequences * contextPerSequence));
        parameters.n_batch = parameters.n_ubatch = (uint)batch;
        parameters.n_seq_max = (uint)sequences;
        // One row of logits per sequence is all that is ever asked for; the default would reserve one per batch token.
        parameters.n_outputs_max = (uint)sequences;
        parameters.n_threads = parameters.n_threads_batch = threads;
        _handle = LlamaNative.llama_init_from_model(model.Handle, parameters);
        if (_handle == 0)
        {
            throw new EngineException(
                EngineErrorCode.OutOfMemory, $"llama.cpp could not make a context of {sequences} × {contextPerSequence} tokens; use fewer slots or a smaller context");
        }

        _memory = LlamaNative.llama_get_memory(_handle);
        ContextPerSequence = (int)LlamaNative.llama_n_ctx_seq(_handle);
        _capacity = (int)LlamaNative.llama_n_batch(_handle);
        _vocabulary = model.Vocabulary.Count;
        _batch = LlamaNative.llama_batch_init(_capacity, 0, 1);
        _abort = (int*)NativeMemory.AllocZeroed(sizeof(int));
        LlamaNative.llama_set_abort_callback(_handle, &ShouldAbort, _abort);
    }

    /// <summary>Tokens of one sequence; llama.cpp rounds up what was asked for.</summary>
    public int ContextPerSequence { get; }

    public int BatchCapacity => _capacity;

    public int BatchCount => _batch.n_tokens;

    public void BeginBatch() => _batch.n_tokens = 0;

    /// <summary>Adds a token and returns its row, by which <see cref="Logits"/> is asked if <paramref name="output"/>.</summary>
    public int Add(int token, int position, int sequence, bool output)
    {
        int row = _batch.n_tokens;
        if (row >= _capacity)
        {
            throw new InvalidOperationException("batch is full");
        }

        _batch.token[row] = token;
        _batch.pos[row] = position;
        _batch.n_seq_id[row] = 1;
        _batch.seq_id[row][0] = sequence;
        _batch.logits[row] = output ? (byte)1 : (byte)0;
        _batch.n_tokens++;
        return row;
    }

    public DecodeResult Decode()
    {
        int result = LlamaNative.llama_decode(_handle, _batch);
        LlamaNative.llama_synchronize(_handle);
        return result switch
        {
            0 => DecodeResult.Done,
            1 => DecodeResult.NoRoom,
            2 => DecodeResult.Aborted,
            -1 => DecodeResult.BadBatch,
            _ => DecodeResult.Fatal,
        };
    }

    /// <summary>The row's logits; valid until the next decode. Empty when there are none.</summary>
    public ReadOnlySpan<float> Logits(int row)
    {
        float* logits = LlamaNative.llama_get_logits_ith(_handle, row);
        return logits is null ? [] : new ReadOnlySpan<float>(logits, _vocabulary);
    }

    /// <summary>Forgets a sequence from a position on. <c>false</c> when the model cannot cut there.</summary>
    public bool Remove(int sequence, int from) => LlamaNative.llama_memory_seq_rm(_memory, sequence, from == 0 ? -1 : from, -1) != 0;

    /// <summary>Makes a sequence a copy of another. Always whole: with one stream per sequence llama.cpp aborts on a part.</summary>
    public void Copy(int source, int destination) => LlamaNative.llama_memory_seq_cp(_memory, source, destination, -1, -1);

    /// <summary>Forgets all sequences and overwrites what they held.</summary>
    public void Wipe() => LlamaNative.llama_memory_clear(_memory, 1);

    /// <summary>Makes a running or later decode return <see cref="DecodeResult.Aborted"/> (CPU only). Any thread, for good.</summary>
    public void Abort()
    {
        lock (_abortGate)
        {
            if (_handle != 0)
            {
                Volatile.Write(ref *_abort, 1);
            }
        }
    }

    public void Dispose()
    {
        if (_handle == 0)
        {
            return;
        }

        LlamaNative.llama_memory_clear(_memory, 1);
        LlamaNative.llama_batch_free(_batch);
        LlamaNative.llama_free(_handle);
        _batch = default;
        lock (_abortGate)
        {
            (_handle, _memory) = (0, 0);
            NativeMemory.Free(_abort);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static byte ShouldAbort(void* flag) => Volatile.Read(ref *(int*)flag) != 0 ? (byte)1 : (byte)0;
}
