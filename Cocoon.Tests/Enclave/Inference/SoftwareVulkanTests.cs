using System.Diagnostics;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Cocoon.Tests.Benchmarks;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>Offload of layers to a device, on Mesa's Vulkan in software: the code path of a GPU without a GPU. CUDA and Metal are not run by it.</summary>
public sealed class SoftwareVulkanTests
{
    [Test]
    public async Task Generate_AllLayersOnTheVulkanDevice_SaysTheSentence()
    {
        (string natives, string driver) = SoftwareVulkan.Require();
        ProcessStartInfo start = new(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
            ArgumentList = { "exec", typeof(EngineBenchTool).Assembly.Location, EngineBenchTool.SayVerb, TestModel.Ensure() },
        };
        start.Environment[NativesFolder.Variable] = natives;
        start.Environment["VK_ICD_FILENAMES"] = driver;
        start.Environment["GGML_VK_VISIBLE_DEVICES"] = "0"; // a software device is only taken when it is named
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string[] lines = (await process.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await process.WaitForExitAsync();
        Assert.That(process.ExitCode, Is.Zero, await errors);
        Assert.That(lines.Any(l => l.StartsWith($"Vulkan|{DeviceKind.Gpu}|llvmpipe", StringComparison.Ordinal)), Is.True, string.Join('\n', lines));
        Assert.That(lines[^1], Is.EqualTo(TestModel.Sentence));
    }
}
