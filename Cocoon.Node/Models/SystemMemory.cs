using System.Globalization;

namespace Cocoon.Node.Models;

/// <summary>Memory that a model could take now.</summary>
internal static class SystemMemory
{
    /// <summary>Bytes the kernel would give without swapping; on other systems what the runtime sees.</summary>
    public static long Available()
    {
        if (OperatingSystem.IsLinux()
            && File.ReadLines("/proc/meminfo").FirstOrDefault(l => l.StartsWith("MemAvailable:", StringComparison.Ordinal)) is { } line
            && long.TryParse(line.AsSpan(13).Trim().TrimEnd("kB").Trim(), NumberStyles.Integer, CultureInfo.InvariantCulture, out long kibibytes))
        {
            return kibibytes * 1024;
        }

        return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
    }
}
