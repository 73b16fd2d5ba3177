using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>Weights in memory. One owner; contexts made from it must be gone before it is disposed.</summary>
internal sealed unsafe class LlamaModel : IDisposable
{
    private nint _handle;

    private LlamaModel(nint handle)
    {
        _handle = handle;
        Vocabulary = new Vocabulary(LlamaNative.llama_model_get_vocab(handle));
    }

    public nint Handle => _handle != 0 ? _handle : throw new ObjectDisposedException(nameof(LlamaModel));

    public Vocabulary Vocabulary { get; }

    public int TrainedContext => LlamaNative.llama_model_n_ctx_train(Handle);

    public ulong Parameters => LlamaNative.llama_model_n_params(Handle);

    /// <summary>Whether a sequence can be cut back to a prefix: not with recurrent state.</summary>
    public bool CanTruncate => LlamaNative.llama_model_is_recurrent(Handle) == 0 && LlamaNative.llama_model_is_hybrid(Handle) == 0;

    /// <summary>Loads the files of one model, whose heads our own reader has checked.</summary>
    /// <exception cref="EngineException">llama.cpp refused it, or it only embeds.</exception>
    public static LlamaModel Load(ImmutableArray<string> paths, LlamaRuntime runtime, GpuPlacement gpu, bool checkTensors)
    {
        LlamaModelParams parameters = LlamaNative.llama_model_default_params();
        parameters.n_gpu_layers = gpu.Layers;
        parameters.split_mode = (int)gpu.Split;
        parameters.main_gpu = gpu.MainGpu;
        parameters.check_tensors = checkTensors ? (byte)1 : (byte)0;
        nint[]? devices = Devices(runtime, gpu);
        float[]? shares = Shares(gpu);
        nint handle;
        fixed (nint* list = devices)
        fixed (float* split = shares)
        {
            parameters.devices = list;
            parameters.tensor_split = split;
            handle = paths.Length == 1 ? LlamaNative.llama_model_load_from_file(paths[0], parameters) : LoadSplits(paths, parameters);
        }

        if (handle == 0)
        {
            throw new EngineException(EngineErrorCode.ModelInvalid, $"llama.cpp could not load {Path.GetFileName(paths[0])}; its log line says why");
        }

        if (LlamaNative.llama_model_has_decoder(handle) == 0 || LlamaNative.llama_model_has_encoder(handle) != 0)
        {
            LlamaNative.llama_model_free(handle);
            throw new EngineException(EngineErrorCode.ModelInvalid, $"{Path.GetFileName(paths[0])} is not a decoder-only text model");
        }

        return new LlamaModel(handle);
    }

    public void Dispose()
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        if (handle != 0)
        {
            LlamaNative.llama_model_free(handle);
        }
    }

    /// <summary>The null-terminated list that llama.cpp takes; <c>null</c> leaves the choice to it. An empty one keeps everything on the CPU.</summary>
    private static nint[]? Devices(LlamaRuntime runtime, GpuPlacement gpu) =>
        gpu.Layers == 0 ? [0] : gpu.Devices.IsEmpty ? null : [.. gpu.Devices.Select(runtime.DeviceHandle), 0];

    /// <summary>llama.cpp reads as many numbers as a build can have devices.</summary>
    private static float[]? Shares(GpuPlacement gpu)
    {
        if (gpu.TensorSplit.IsEmpty)
        {
            return null;
        }

        float[] shares = new float[(int)LlamaNative.llama_max_devices()];
        if (gpu.TensorSplit.Length > shares.Length || gpu.TensorSplit.Any(s => !(s >= 0)) || gpu.TensorSplit.All(s => s == 0))
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, $"a tensor split is 1 to {shares.Length} numbers that are not negative and not all zero");
        }

        gpu.TensorSplit.CopyTo(shares);
        return shares;
    }

    private static nint LoadSplits(ImmutableArray<string> paths, LlamaModelParams parameters)
    {
        byte*[] names = new byte*[paths.Length];
        try
        {
            for (int i = 0; i < paths.Length; i++)
            {
                names[i] = (byte*)Marshal.StringToCoTaskMemUTF8(paths[i]);
            }

            fixed (byte** list = names)
            {
                return LlamaNative.llama_model_load_from_splits(list, (nuint)names.Length, parameters);
            }
        }
        finally
        {
            foreach (byte* name in names)
            {
                Marshal.FreeCoTaskMem((nint)name);
            }
        }
    }
}
