using System.Text.Json.Nodes;
using Cocoon.Enclave.Devices;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Devices;

/// <summary>What ggml and NVIDIA's driver say of the same machine, put together.</summary>
public sealed class DeviceListerTests
{
    private static readonly EngineDevice Cpu = new("CPU", "AMD EPYC", DeviceKind.Cpu, 1UL << 30, 4UL << 30, null, "CPU");
    private static readonly EngineDevice Cuda = new("CUDA0", "NVIDIA H100", DeviceKind.Gpu, 70UL << 30, 80UL << 30, "0000:c1:00.0", "CUDA");

    [Test]
    public void Rows_SamePciAddress_BecomeOneWithTheDriversReadings()
    {
        NvmlReading same = Reading("0000:c1:00.0"), other = Reading("0000:e1:00.0");
        JsonObject[] rows = [.. DeviceLister.Rows([Cpu, Cuda], [other, same], "on").Select(r => r!.AsObject())];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rows.Select(r => r["device"]!.ToString()), Is.EqualTo(new[] { "CPU", "CUDA0", "-" }));
            Assert.That(rows.Select(r => r["kind"]!.ToString()), Is.EqualTo(new[] { "cpu", "gpu", "gpu" }));
            Assert.That((ulong)rows[1]["memory_free"]!, Is.EqualTo(60UL << 30), "the driver knows better than a build without its memory calls");
            Assert.That((double)rows[1]["power_limit_watts"]!, Is.EqualTo(700));
            Assert.That((string)rows[1]["confidential_computing"]!, Is.EqualTo("on"));
            Assert.That(rows[0]["power_watts"], Is.Null, "unknown is null, never zero");
            Assert.That((string)rows[2]["backend"]!, Is.EqualTo("-"), "a GPU that the engine cannot use is shown, and said to be unused");
        }
    }

    [TestCase("00000000:C1:00.0", "0000:c1:00.0")]
    [TestCase("0001:02:03.1", "0001:02:03.1")]
    [TestCase("", "")]
    public void Normalise_AddressOfNvml_IsThatOfGgml(string nvml, string ggml) => Assert.That(NvmlReading.Normalise(nvml), Is.EqualTo(ggml));

    [TestCase("cpu", false, false, "no GPU: none of /dev/nvidiactl")]
    [TestCase("cpu", true, false, "built for the CPU")]
    [TestCase("cuda", true, false, "found no GPU with it")]
    [TestCase("vulkan", false, false, "found no GPU with it")]
    [TestCase("cuda", true, true, null)]
    public void Explain_SaysWhyNothingFasterIsUsed(string builtFor, bool mayHaveGpu, bool usesGpu, string? part)
    {
        string all = string.Join('\n', LlamaRuntime.Explain(builtFor, mayHaveGpu, usesGpu));
        Assert.That(all, part is null ? Is.Empty : Does.Contain(part));
    }

    [Test]
    public void Summarise_EqualGpus_AreCountedAndTheirMemoryAdded()
    {
        Assert.That(EngineDevice.Summarise([Cpu, Cuda, Cuda with { Name = "CUDA1" }]), Is.EqualTo(("2 × NVIDIA H100", 160UL << 30)));
        Assert.That(EngineDevice.Summarise([Cpu]), Is.EqualTo(("AMD EPYC", 4UL << 30)));
    }

    private static NvmlReading Reading(string pci) => new("NVIDIA H100", "GPU-1", pci, 80UL << 30, 60UL << 30, 12, 45, 210.5, 700, "9.0");
}
