namespace Cocoon.Enclave.Hardening;

/// <summary>What drivers of GPUs put into <c>/dev</c>.</summary>
internal static class GpuDevices
{
    private static readonly string[] Exact = ["/dev/nvidiactl", "/dev/kfd", "/dev/dxg"];

    private const string RenderFolder = "/dev/dri";

    /// <summary>What was looked for, for people.</summary>
    public static IEnumerable<string> Paths => Exact.Append(RenderFolder);

    /// <summary>Files and folders that are there.</summary>
    public static IEnumerable<string> Present => Directory.EnumerateFileSystemEntries("/dev", "nvidia*").Union(Paths.Where(Path.Exists));

    /// <summary>Whether this machine could have a GPU for inference at all.</summary>
    public static bool MayExist => !OperatingSystem.IsLinux() || Exact.Any(File.Exists) || Directory.Exists(RenderFolder);
}
