using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.InteropServices;
using Cocoon.Enclave.Hardening;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Inference.LlamaCpp.Interop;

/// <summary>The llama.cpp libraries of this process, loaded and checked once.</summary>
internal sealed partial class LlamaRuntime
{
    private static readonly Lock Gate = new();
    private static LlamaRuntime? _current;

    private LlamaRuntime(string folder, string version)
    {
        Folder = folder;
        Version = version;
        BuiltFor = NativesFolder.Accelerator(folder) ?? "cpu";
        Devices = ListDevices();
    }

    public string Folder { get; }

    public string Version { get; }

    public ImmutableArray<EngineDevice> Devices { get; }

    /// <summary>What the libraries are for: <c>cpu</c>, <c>cuda</c>, <c>vulkan</c> or <c>metal</c>.</summary>
    public string BuiltFor { get; }

    /// <summary>Why inference does not run on something faster, in sentences; none when there is a GPU.</summary>
    public IEnumerable<string> WhyNotFaster() => Explain(BuiltFor, GpuDevices.MayExist, Devices.Any(d => d.Kind != DeviceKind.Cpu));

    internal static IEnumerable<string> Explain(string builtFor, bool mayHaveGpu, bool usesGpu)
    {
        if (usesGpu)
        {
            yield break;
        }

        if (!mayHaveGpu)
        {
            yield return $"no GPU: none of {string.Join(", ", GpuDevices.Paths)} is here; inference runs on the CPU";
        }
        else if (builtFor == "cpu")
        {
            yield return "a GPU may be here, but these llama.cpp libraries are built for the CPU: scripts/llama --explain says which build suits, scripts/llama --variant brings it";
        }

        if (builtFor != "cpu")
        {
            yield return $"these llama.cpp libraries are built for {builtFor} and found no GPU with it: the driver or its runtime is missing; inference runs on the CPU";
        }
    }

    /// <summary>The device of this name, for llama.cpp.</summary>
    /// <exception cref="EngineException">There is none, with those that there are.</exception>
    public nint DeviceHandle(string name)
    {
        int index = Devices.ToList().FindIndex(d => string.Equals(d.Name, name, StringComparison.OrdinalIgnoreCase));
        return index >= 0
            ? LlamaNative.ggml_backend_dev_get((nuint)index)
            : throw new EngineException(EngineErrorCode.InvalidRequest, $"there is no device '{name}' here, only {string.Join(", ", Devices.Select(d => d.Name))}");
    }

    /// <summary>SHA-256 over the libraries; computed when first asked for.</summary>
    public string Digest => field ??= NativesFolder.Digest(Folder);

    /// <summary>Finds, loads and checks the libraries; later calls return the same runtime.</summary>
    /// <exception cref="EngineException">Missing, of an unknown release or layout, or another folder is loaded already.</exception>
    public static LlamaRuntime Load(string? folder, ILogger logger)
    {
        lock (Gate)
        {
            string found = NativesFolder.Find(folder)
                ?? throw new EngineException(EngineErrorCode.NativesMissing, $"llama.cpp libraries not found; run scripts/llama or set {NativesFolder.Variable}");
            if (_current is not null)
            {
                return _current.Folder == found
                    ? _current
                    : throw new EngineException(EngineErrorCode.NativesUnsupported, $"llama.cpp of {_current.Folder} is loaded; one process uses one folder");
            }

            // ggml would load any library that these name, and .NET cannot unset a variable for native code.
            if (Environment.GetEnvironmentVariable("GGML_BACKEND_PATH") is not null)
            {
                throw new EngineException(EngineErrorCode.NativesUnsupported, "GGML_BACKEND_PATH is set; clear it");
            }

            NativesFolder.RefuseUnknownPlugins(found);
            Resolve(found);
            LlamaLog.Attach(logger);
            AbiGuard.Verify();
            LlamaNative.ggml_backend_load_all_from_path(found);
            LlamaNative.llama_backend_init();
            string version = AbiGuard.Version();
            _current = new LlamaRuntime(found, version);
            if (_current.Devices.IsEmpty)
            {
                throw new EngineException(EngineErrorCode.NativesUnsupported, $"no compute backend in {found} runs on this machine");
            }

            Log.Chosen(logger, version, _current.BuiltFor, string.Join(", ", _current.Devices.Select(d => d.Description)));
            foreach (string reason in _current.WhyNotFaster())
            {
                Log.NotFaster(logger, reason);
            }

            return _current;
        }
    }

    /// <summary>Address of a loaded library, for checks that go below the typed binding.</summary>
    internal static nint Handle(string stem) =>
        Handles.TryGetValue(stem, out nint handle) ? handle : throw new InvalidOperationException("not loaded");

    private static readonly Dictionary<string, nint> Handles = [];

    private static void Resolve(string folder)
    {
        // ggml-base first: the others find their siblings beside them, this order only gives the clearer error.
        foreach (string stem in (ReadOnlySpan<string>)[LlamaNative.GgmlBase, LlamaNative.Ggml, LlamaNative.Llama])
        {
            string path = NativesFolder.Library(folder, stem);
            if (!NativeLibrary.TryLoad(path, out nint handle))
            {
                throw new EngineException(
                    EngineErrorCode.NativesUnsupported, $"{path} does not load here; on Linux it needs glibc 2.34 and a libstdc++ with GLIBCXX_3.4.29");
            }

            Handles[stem] = handle;
        }

        if (!_resolving)
        {
            NativeLibrary.SetDllImportResolver(
                Assembly.GetExecutingAssembly(), static (name, _, _) => Handles.TryGetValue(name, out nint handle) ? handle : 0);
            _resolving = true;
        }
    }

    private static bool _resolving;

    private static unsafe ImmutableArray<EngineDevice> ListDevices()
    {
        ImmutableArray<EngineDevice>.Builder devices = ImmutableArray.CreateBuilder<EngineDevice>();
        for (nuint i = 0; i < LlamaNative.ggml_backend_dev_count(); i++)
        {
            nint device = LlamaNative.ggml_backend_dev_get(i);
            GgmlDeviceProps props;
            LlamaNative.ggml_backend_dev_get_props(device, &props);
            string backend = LlamaNative.Text(LlamaNative.ggml_backend_reg_name(LlamaNative.ggml_backend_dev_backend_reg(device)));
            devices.Add(new EngineDevice(
                LlamaNative.Text(props.name), LlamaNative.Text(props.description), (DeviceKind)props.type,
                props.memory_free, props.memory_total, props.device_id is null ? null : LlamaNative.Text(props.device_id), backend));
        }

        return devices.ToImmutable();
    }

    private static partial class Log
    {
        [LoggerMessage(8111, LogLevel.Information, "llama.cpp {Version} for {BuiltFor} on {Devices}")]
        public static partial void Chosen(ILogger logger, string version, string builtFor, string devices);

        [LoggerMessage(8112, LogLevel.Information, "{Reason}")]
        public static partial void NotFaster(ILogger logger, string reason);
    }
}
