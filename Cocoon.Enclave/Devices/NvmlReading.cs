using System.Globalization;
using System.Text;
using Cocoon.Enclave.Attestation.Nvml;

namespace Cocoon.Enclave.Devices;

/// <summary>One NVIDIA GPU as its driver sees it; a value that the driver does not give is <c>null</c>.</summary>
/// <param name="PciId">Lower case with a four-digit domain, as ggml spells it: <c>0000:c1:00.0</c>.</param>
internal sealed record NvmlReading(
    string Name,
    string? Uuid,
    string PciId,
    ulong? MemoryTotal,
    ulong? MemoryFree,
    uint? UtilisationPercent,
    uint? TemperatureCelsius,
    double? PowerWatts,
    double? PowerLimitWatts,
    string? ComputeCapability)
{
    private const uint MaxGpus = 64;

    /// <summary>Reads every GPU once. <paramref name="state"/> says for people what the library is, or why there are no readings.</summary>
    /// <param name="confidential">Confidential-computing mode of the system: on, off or dev-tools; <c>null</c> when unknown.</param>
    public static IReadOnlyList<NvmlReading> ReadAll(out string state, out string? confidential)
    {
        confidential = null;
        if (!NvmlLibrary.IsPresent)
        {
            state = "libnvidia-ml.so.1 is not on this machine";
            return [];
        }

        try
        {
            return ReadAllPresent(out state, out confidential);
        }
        catch (EntryPointNotFoundException exception)
        {
            state = $"libnvidia-ml.so.1 is of a driver too old for readings: {exception.Message}";
            return [];
        }
    }

    private static unsafe List<NvmlReading> ReadAllPresent(out string state, out string? confidential)
    {
        confidential = null;
        int started = NvmlLibrary.nvmlInit_v2();
        if (started != NvmlLibrary.Success)
        {
            state = $"NVML does not start: error {started}";
            return [];
        }

        try
        {
            byte* text = stackalloc byte[NvmlLibrary.MaxText];
            state = NvmlLibrary.nvmlSystemGetDriverVersion(text, NvmlLibrary.MaxText) == NvmlLibrary.Success ? "driver " + Text(text, NvmlLibrary.MaxText) : "driver of unknown version";
            NvmlLibrary.ComputeState compute = default;
            if (NvmlLibrary.HasConfidentialComputing && NvmlLibrary.nvmlSystemGetConfComputeState(&compute) == NvmlLibrary.Success)
            {
                confidential = compute.Feature == 0 ? "off" : compute.DevToolsMode != 0 ? "dev-tools" : "on";
            }

            uint count = 0;
            if (NvmlLibrary.nvmlDeviceGetCount_v2(&count) != NvmlLibrary.Success)
            {
                return [];
            }

            List<NvmlReading> all = [];
            for (uint i = 0; i < Math.Min(count, MaxGpus); i++)
            {
                nint device = 0;
                if (NvmlLibrary.nvmlDeviceGetHandleByIndex_v2(i, &device) == NvmlLibrary.Success)
                {
                    all.Add(Read(device));
                }
            }

            return all;
        }
        finally
        {
            _ = NvmlLibrary.nvmlShutdown();
        }
    }

    /// <summary>NVML writes <c>00000000:C1:00.0</c>.</summary>
    internal static string Normalise(string busId)
    {
        string lower = busId.ToLowerInvariant();
        int colon = lower.IndexOf(':', StringComparison.Ordinal);
        return colon > 4 ? lower[(colon - 4)..] : lower;
    }

    internal static unsafe string NameOf(nint device)
    {
        byte* name = stackalloc byte[NvmlLibrary.MaxText];
        return Ok(NvmlLibrary.nvmlDeviceGetName(device, name, NvmlLibrary.MaxText)) ? Text(name, NvmlLibrary.MaxText) : "NVIDIA GPU";
    }

    private static unsafe NvmlReading Read(nint device)
    {
        byte* uuid = stackalloc byte[NvmlLibrary.MaxText];
        NvmlLibrary.PciInfo pci = default;
        NvmlLibrary.MemoryInfo memory = default;
        NvmlLibrary.Utilisation rates = default;
        uint celsius = 0, power = 0, limit = 0;
        int major = 0, minor = 0;
        bool hasUuid = Ok(NvmlLibrary.nvmlDeviceGetUUID(device, uuid, NvmlLibrary.MaxText));
        bool hasPci = Ok(NvmlLibrary.nvmlDeviceGetPciInfo_v3(device, &pci));
        bool hasMemory = Ok(NvmlLibrary.nvmlDeviceGetMemoryInfo(device, &memory));
        return new NvmlReading(
            NameOf(device),
            hasUuid ? Text(uuid, NvmlLibrary.MaxText) : null,
            hasPci ? Normalise(Text(pci.BusId, 32)) : "",
            hasMemory ? memory.Total : null,
            hasMemory ? memory.Free : null,
            Ok(NvmlLibrary.nvmlDeviceGetUtilizationRates(device, &rates)) ? rates.Gpu : null,
            Ok(NvmlLibrary.nvmlDeviceGetTemperature(device, NvmlLibrary.TemperatureOfGpu, &celsius)) ? celsius : null,
            Ok(NvmlLibrary.nvmlDeviceGetPowerUsage(device, &power)) ? power / 1000.0 : null,
            Ok(NvmlLibrary.nvmlDeviceGetEnforcedPowerLimit(device, &limit)) ? limit / 1000.0 : null,
            Ok(NvmlLibrary.nvmlDeviceGetCudaComputeCapability(device, &major, &minor)) ? string.Create(CultureInfo.InvariantCulture, $"{major}.{minor}") : null);
    }

    private static bool Ok(int result) => result == NvmlLibrary.Success;

    private static unsafe string Text(byte* text, int length)
    {
        ReadOnlySpan<byte> bytes = new(text, length);
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}
