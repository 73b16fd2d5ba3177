using NUnit.Framework;

namespace Cocoon.Tests.Support;

/// <summary>Mesa's Vulkan in software with the Vulkan build of llama.cpp: a GPU for tests on machines without one.</summary>
internal static class SoftwareVulkan
{
    private const string Drivers = "/usr/share/vulkan/icd.d";

    /// <summary>Folder of the libraries and file of the driver; the test is ignored by name where they are missing.</summary>
    public static (string Natives, string Driver) Require()
    {
        string natives = Path.Combine(TestPaths.RepositoryRoot, "artifacts", "natives-vulkan");
        string? driver = Directory.Exists(Drivers) ? Directory.EnumerateFiles(Drivers, "lvp_icd*.json").FirstOrDefault() : null;
        if (driver is null || !Directory.Exists(natives))
        {
            Assert.Ignore("no software Vulkan: scripts/setup.d/65-vulkan.sh installs mesa-vulkan-drivers and fetches llama.cpp's Vulkan build");
        }

        return (natives, driver!);
    }
}
