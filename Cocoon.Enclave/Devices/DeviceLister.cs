using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Enclave.Hardening;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Enclave.Devices;

/// <summary>
/// Says what inference would run on, as ggml sees it, with the readings of NVIDIA's driver beside it. In a process of its own: loading a
/// GPU driver is nothing that a node should do.
/// </summary>
internal static class DeviceLister
{
    public const string Argument = "--devices";

    /// <summary>One JSON document on <paramref name="output"/>: <c>devices</c>, <c>notes</c> for people, and <c>engine</c> (absent when the libraries do not load).</summary>
    public static async Task<int> RunAsync(string? natives, IProcessProtection protection, TextWriter output, CancellationToken cancellationToken)
    {
        protection.ApplyEarly();
        bool mayHaveGpu = GpuDevices.MayExist;
        if (!mayHaveGpu)
        {
            protection.ApplyFilter();
        }

        JsonObject document = Describe(natives);
        await output.WriteLineAsync(document.ToJsonString(JsonSerializerOptions.Default));
        await output.FlushAsync(cancellationToken);
        return EnclaveHost.ExitOk;
    }

    private static JsonObject Describe(string? natives)
    {
        List<string> notes = [];
        JsonObject document = [];
        IReadOnlyList<EngineDevice> devices = [];
        try
        {
            LlamaRuntime runtime = LlamaRuntime.Load(natives, NullLogger.Instance);
            devices = runtime.Devices;
            document["engine"] = "llama.cpp " + runtime.Version;
            document["libraries"] = runtime.Folder;
            document["built_for"] = runtime.BuiltFor;
            notes.AddRange(runtime.WhyNotFaster());
        }
        catch (EngineException exception)
        {
            notes.Add("no inference here: " + exception.Message);
        }

        IReadOnlyList<NvmlReading> readings = NvmlReading.ReadAll(out string nvml, out string? confidential);
        document["nvml"] = nvml;
        document["devices"] = Rows(devices, readings, confidential);
        document["notes"] = new JsonArray([.. notes.Select(n => JsonValue.Create(n))]);
        return document;
    }

    /// <summary>The devices of ggml with the driver's readings of the same PCI address, then GPUs that only the driver knows.</summary>
    internal static JsonArray Rows(IReadOnlyList<EngineDevice> devices, IReadOnlyList<NvmlReading> readings, string? confidential)
    {
        List<NvmlReading> rest = [.. readings];
        JsonArray rows = [];
        foreach (EngineDevice device in devices)
        {
            NvmlReading? reading = device.PciId is null ? null : rest.Find(r => r.PciId == device.PciId);
            if (reading is not null)
            {
                rest.Remove(reading);
            }

            rows.Add(Row(
                device.Name, device.Description, device.Backend, Word(device.Kind),
                reading?.MemoryTotal ?? device.MemoryTotal, reading?.MemoryFree ?? device.MemoryFree, device.PciId, reading, confidential));
        }

        foreach (NvmlReading reading in rest)
        {
            rows.Add(Row("-", reading.Name, "-", "gpu", reading.MemoryTotal, reading.MemoryFree, reading.PciId, reading, confidential));
        }

        return rows;
    }

    private static JsonObject Row(
        string device, string name, string backend, string kind, ulong? total, ulong? free, string? pci, NvmlReading? reading, string? confidential) => new()
    {
        ["device"] = device,
        ["name"] = name,
        ["backend"] = backend,
        ["kind"] = kind,
        ["memory_total"] = total,
        ["memory_free"] = free,
        ["utilisation_percent"] = reading?.UtilisationPercent,
        ["temperature_celsius"] = reading?.TemperatureCelsius,
        ["power_watts"] = reading?.PowerWatts,
        ["power_limit_watts"] = reading?.PowerLimitWatts,
        ["confidential_computing"] = reading is null ? null : confidential,
        ["compute_capability"] = reading?.ComputeCapability,
        ["pci_id"] = pci,
        ["uuid"] = reading?.Uuid,
    };

    private static string Word(DeviceKind kind) => kind switch
    {
        DeviceKind.Cpu => "cpu",
        DeviceKind.Gpu => "gpu",
        DeviceKind.IntegratedGpu => "integrated",
        _ => "accelerator",
    };
}
