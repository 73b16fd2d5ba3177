using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.Enclaves;

namespace Cocoon.Node.Models;

/// <summary>Asks a confined child what inference could run on.</summary>
internal static class MachineDevices
{
    private static readonly string[] GpuPaths = ["/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/dri"];

    /// <summary>Whether it is worth asking; a software device counts when somebody names it.</summary>
    public static bool MayHaveGpu =>
        !OperatingSystem.IsLinux() || GpuPaths.Any(Path.Exists) || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("GGML_VK_VISIBLE_DEVICES"));

    /// <summary>The document of the child: <c>devices</c>, <c>notes</c>, <c>nvml</c>, and of the libraries that load <c>engine</c>, <c>libraries</c>, <c>built_for</c>.</summary>
    /// <exception cref="ModelException">The child ended without an answer.</exception>
    public static async Task<JsonObject> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return JsonNode.Parse(await ConfinedReader.ReadAsync(EnclaveLaunch.Devices(), cancellationToken))!.AsObject();
        }
        catch (JsonException exception)
        {
            throw new ModelException(
                ModelErrorCode.Refused, "the devices could not be listed", "the process that loads the drivers ended without an answer", "Try another build of the libraries: scripts/llama --variant cpu.", exception);
        }
    }

    /// <summary>GPUs that the engine can use, in its own order.</summary>
    public static IReadOnlyList<GpuDevice> Gpus(JsonObject document) =>
    [
        .. document["devices"]!.AsArray().OfType<JsonObject>()
            .Where(d => d["kind"]!.ToString() != "cpu" && d["backend"]!.ToString() != "-")
            .Select(d => new GpuDevice(d["device"]!.ToString(), (long)(d["memory_free"]?.GetValue<double>() ?? 0))),
    ];
}

/// <summary>A GPU as ggml names it, and its bytes that nobody uses.</summary>
internal sealed record GpuDevice(string Name, long FreeBytes);
