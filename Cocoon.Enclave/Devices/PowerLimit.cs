using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Enclave.Attestation.Nvml;

namespace Cocoon.Enclave.Devices;

/// <summary>Caps the watts of every NVIDIA GPU of this machine as long as its process runs, and gives back what was set before.</summary>
/// <remarks>
/// In a process of its own, which ends with its input: a node that is killed cannot put anything back. It holds no prompt and no key, and
/// keeps the rights that the driver asks for.
/// </remarks>
internal static class PowerLimit
{
    public const string Argument = "--power-limit";
    public const int ExitRefused = 65;

    private const int MilliwattsPerWatt = 1000;
    private const uint MaxGpus = 64;

    /// <summary>One JSON document on <paramref name="output"/>: <c>gpus</c> with their watts now and before, or <c>error</c> with a sentence; then until the input ends.</summary>
    public static async Task<int> RunAsync(uint watts, TextReader input, TextWriter output, CancellationToken cancellationToken)
    {
        List<Capped> capped = [];
        string? refused = Start() ?? Apply(watts, capped);
        try
        {
            JsonObject document = refused is not null
                ? new JsonObject { ["error"] = refused }
                : new JsonObject
                {
                    ["gpus"] = new JsonArray([.. capped.Select(c => new JsonObject { ["name"] = c.Name, ["watts"] = watts, ["watts_before"] = c.Before / (double)MilliwattsPerWatt })]),
                };
            await output.WriteLineAsync(document.ToJsonString(JsonSerializerOptions.Default).AsMemory(), cancellationToken);
            await output.FlushAsync(cancellationToken);
            while (refused is null && await input.ReadLineAsync(cancellationToken) is not null)
            {
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // Told to end, or nobody reads.
        }
        finally
        {
            Restore(capped);
        }

        return refused is null ? EnclaveHost.ExitOk : ExitRefused;
    }

    private static string? Start()
    {
        if (!NvmlLibrary.IsPresent)
        {
            return "libnvidia-ml.so.1 is not on this machine: only NVIDIA GPUs can be capped in watts; --work-percent caps the time that any engine computes";
        }

        int started = NvmlLibrary.nvmlInit_v2();
        return started == NvmlLibrary.Success ? null : $"NVIDIA's management library does not start (error {started})";
    }

    /// <summary><c>null</c> when all are capped; else why not, and <paramref name="capped"/> has those to put back.</summary>
    private static unsafe string? Apply(uint watts, List<Capped> capped)
    {
        uint count = 0;
        if (NvmlLibrary.nvmlDeviceGetCount_v2(&count) != NvmlLibrary.Success || count == 0)
        {
            return "NVIDIA's driver knows no GPU here";
        }

        for (uint i = 0; i < Math.Min(count, MaxGpus); i++)
        {
            nint device = 0;
            if (NvmlLibrary.nvmlDeviceGetHandleByIndex_v2(i, &device) != NvmlLibrary.Success)
            {
                return $"GPU {i} does not answer";
            }

            if (Apply(device, watts, capped) is { } refused)
            {
                return refused;
            }
        }

        return null;
    }

    private static unsafe string? Apply(nint device, uint watts, List<Capped> capped)
    {
        string name = NvmlReading.NameOf(device);
        uint before = 0, least = 0, most = 0;
        if (NvmlLibrary.nvmlDeviceGetPowerManagementLimit(device, &before) != NvmlLibrary.Success)
        {
            return $"{name} has no power limit that can be set";
        }

        if (NvmlLibrary.nvmlDeviceGetPowerManagementLimitConstraints(device, &least, &most) == NvmlLibrary.Success
            && (watts < (least + MilliwattsPerWatt - 1) / MilliwattsPerWatt || watts > most / MilliwattsPerWatt))
        {
            return string.Create(
                CultureInfo.InvariantCulture, $"{name} can be capped at {(least + MilliwattsPerWatt - 1) / MilliwattsPerWatt} to {most / MilliwattsPerWatt} W, not at {watts}");
        }

        int set = NvmlLibrary.nvmlDeviceSetPowerManagementLimit(device, checked(watts * MilliwattsPerWatt));
        if (set == NvmlLibrary.Success)
        {
            capped.Add(new Capped(device, name, before));
        }

        return set switch
        {
            NvmlLibrary.Success => null,
            NvmlLibrary.NoPermission => $"only root may cap {name}: start as root, or run 'sudo nvidia-smi -pl {watts}' and leave the option away",
            NvmlLibrary.NotSupported => $"{name} has no power limit that can be set",
            _ => $"{name} refused the power limit (NVML error {set})",
        };
    }

    private static void Restore(List<Capped> capped)
    {
        foreach (Capped gpu in capped)
        {
            _ = NvmlLibrary.nvmlDeviceSetPowerManagementLimit(gpu.Device, gpu.Before);
        }

        if (NvmlLibrary.IsPresent)
        {
            _ = NvmlLibrary.nvmlShutdown();
        }
    }

    private readonly record struct Capped(nint Device, string Name, uint Before);
}
