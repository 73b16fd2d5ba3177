using System.Text.Json.Nodes;
using Cocoon.Node.Cli;
using Cocoon.Node.Models;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Models;

/// <summary>What goes where, before anything is loaded.</summary>
public sealed class MemoryPlanTests
{
    private const long GiB = 1L << 30;

    /// <summary>31 layers and the output, 1 GiB each with its cache.</summary>
    private static readonly ModelFacts Facts = new("m", "llama", "Q4_0", 1, 31 * GiB, 31, 4096, 8192, 8, 128, 128, 32000, true, null, 1);

    private static readonly MemoryFit Fit = new(31 * GiB, 1 * GiB, 300L << 20, 4, 8192);

    private static readonly PlacementWish All = new(-1, [], []);

    private static readonly string[] Two = ["CUDA0", "CUDA1"];

    [Test]
    public void Place_EnoughRoom_PutsEveryLayerThere()
    {
        MemoryPlan plan = new([new("CUDA0", 80 * GiB)], 64 * GiB);
        ModelPlacement placed = plan.Place("m", Facts, Fit, All);
        Assert.That(placed.GpuLayers, Is.EqualTo(-1));
        Assert.That(placed.DeviceBytes[0], Is.EqualTo((32 * GiB) + Fit.ComputeBytes));
        Assert.That(placed.HostBytes, Is.LessThan(2 * GiB));
    }

    [Test]
    public void Place_TooLittleRoom_PutsTheRestIntoMemory()
    {
        ModelPlacement placed = new MemoryPlan([new("CUDA0", 24 * GiB)], 64 * GiB).Place("m", Facts, Fit, All);
        Assert.That(placed.GpuLayers, Is.EqualTo(22));
        Assert.That(placed.DeviceBytes[0], Is.LessThanOrEqualTo(24 * GiB));
        Assert.That(placed.HostBytes, Is.GreaterThan(10 * GiB));
        ModelException refused = Assert.Throws<ModelException>(() => new MemoryPlan([new("CUDA0", 24 * GiB)], 4 * GiB).Place("m", Facts, Fit, All))!;
        Assert.That((refused.Code, refused.Why), Is.EqualTo((ModelErrorCode.NoSpace, refused.Why)));
        Assert.That(refused.Why, Does.Contain("4.0 GiB are free"));
    }

    [Test]
    public void Place_TwoGpus_SplitsByRoomOrAsAsked()
    {
        MemoryPlan byRoom = new([new("CUDA0", 40 * GiB), new("CUDA1", 20 * GiB)], 64 * GiB);
        ModelPlacement free = byRoom.Place("m", Facts, Fit, All);
        MemoryPlan byShare = new([new("CUDA0", 40 * GiB), new("CUDA1", 20 * GiB)], 64 * GiB);
        ModelPlacement shared = byShare.Place("m", Facts, Fit, new PlacementWish(-1, Two, [1, 1]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(free.GpuLayers, Is.EqualTo(-1));
            Assert.That(free.DeviceBytes[0], Is.GreaterThan(1.5 * free.DeviceBytes[1]));
            Assert.That(shared.GpuLayers, Is.EqualTo(-1));
            Assert.That(shared.DeviceBytes[0], Is.EqualTo(shared.DeviceBytes[1]).Within(GiB));
        }
    }

    [Test]
    public void Place_SharesThatOverfillADevice_TakeFewerLayers()
    {
        ModelPlacement placed = new MemoryPlan([new("CUDA0", 40 * GiB), new("CUDA1", 8 * GiB)], 64 * GiB).Place("m", Facts, Fit, new PlacementWish(-1, Two, [1, 1]));
        Assert.That(placed.GpuLayers, Is.EqualTo(14));
        Assert.That(placed.DeviceBytes[1], Is.LessThanOrEqualTo(8 * GiB));
    }

    [Test]
    public void Place_SecondModel_GetsWhatTheFirstLeft()
    {
        MemoryPlan plan = new([new("CUDA0", 48 * GiB)], 40 * GiB);
        ModelPlacement first = plan.Place("a", Facts, Fit, All);
        ModelPlacement second = plan.Place("b", Facts, Fit, All);
        Assert.That((first.GpuLayers, second.GpuLayers), Is.EqualTo((-1, 14)));
        Assert.That(() => plan.Place("c", Facts, Fit, All), Throws.TypeOf<ModelException>(), "neither GPU nor memory is left");
    }

    [Test]
    public void Place_Limit_IsNotExceeded()
    {
        ModelPlacement placed = new MemoryPlan([new("CUDA0", 80 * GiB)], 64 * GiB, gpuLimit: 10 * GiB).Place("m", Facts, Fit, All);
        Assert.That(placed.DeviceBytes[0], Is.LessThanOrEqualTo(10 * GiB).And.GreaterThan(8 * GiB));
    }

    [Test]
    public void Place_MoreLayersThanFit_OrAnUnknownDevice_IsSaid()
    {
        MemoryPlan plan = new([new("CUDA0", 8 * GiB)], 64 * GiB);
        Assert.That(
            Assert.Throws<ModelException>(() => plan.Place("m", Facts, Fit, new PlacementWish(20, [], [])))!.Why, Does.Contain("room for 7"));
        Assert.That(
            Assert.Throws<ModelException>(() => plan.Place("m", Facts, Fit, new PlacementWish(-1, ["CUDA9"], [])))!.Why, Does.Contain("CUDA0"));
        Assert.That(new MemoryPlan([], 64 * GiB).Place("m", Facts, Fit, PlacementWish.Cpu).GpuLayers, Is.Zero);
    }

    /// <summary>A GPU driver that brings its process down costs the plan, not the start.</summary>
    [Test]
    public async Task ListGpus_ThatFails_IsSaidAndLeavesNone()
    {
        using StringWriter errors = new();
        IReadOnlyList<GpuDevice> gpus = await MemoryCheck.ListGpusAsync(
            _ => Task.FromException<JsonObject>(new ModelException(ModelErrorCode.Refused, "the devices could not be listed", "the process ended")), errors, CancellationToken.None);
        Assert.That(gpus, Is.Empty);
        Assert.That(errors.ToString(), Does.StartWith("the devices could not be listed: the process ended"));
    }
}
