using System.Runtime.CompilerServices;
using NUnit.Framework;

namespace Cocoon.Tests.Simulation;

/// <summary>A small network as the simulator sees it; the large ones are run by <c>scripts/simulate</c>.</summary>
public sealed class SimulationTests
{
    private static readonly SimulationOptions Small = new() { Nodes = 40, Providers = 8, Minutes = 0.75, Churn = 0.3, Seed = 1, Cold = true };

    [Test]
    public void Run_OfFortyNodes_StaysWithinItsBounds()
    {
        SimulationReport report = new Simulation(Small).Run();
        TestContext.Out.WriteLine(report.ToTable());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.Offers, Is.GreaterThan(10));
            Assert.That(report.Delivered, Is.GreaterThan(0.99));
            Assert.That(report.PropagationP50, Is.LessThan(400), "one way across the map is 140 ms");
            Assert.That(report.PropagationP99, Is.LessThan(5_000), "a lost message comes by gossip");
            Assert.That(report.DuplicatesPerMessage, Is.LessThan(10));
            Assert.That(report.LookupSuccess, Is.GreaterThan(0.95));
            Assert.That(report.HopsMean, Is.LessThan(3));
            Assert.That(report.FirstOfferMissed, Is.Zero);
            Assert.That(report.CrashedOfferMax, Is.InRange(1, 60_000), "a crashed provider's offer is gone from every book in 60 s");
            Assert.That(report.WithdrawnMissedShare, Is.LessThan(0.02), "a withdrawn offer is gone in 2 s");
            Assert.That(report.ClientBytesPerSecond, Is.LessThan(25_000));
            Assert.That(report.Strays, Is.Zero);
        }
    }

    [Test]
    public void Run_FromAWarmStart_IsANetworkThatWorks()
    {
        SimulationReport report = new Simulation(Small with { Nodes = 60, Cold = false, Churn = 0.05, Minutes = 0.5 }).Run();
        TestContext.Out.WriteLine(report.ToTable());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.Start, Is.EqualTo("warm"));
            Assert.That(report.TableMean, Is.GreaterThan(20), "tables hold nearly all of the servers");
            Assert.That(report.Delivered, Is.GreaterThan(0.99));
            Assert.That(report.PropagationP50, Is.LessThan(400));
            Assert.That(report.LookupSuccess, Is.GreaterThan(0.95));
            Assert.That(report.RequestsPerLookup, Is.InRange(1, 40), "disjoint paths share k");
            Assert.That(report.FirstOfferMissed, Is.Zero);
            Assert.That(report.Strays, Is.Zero);
        }
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Run_WithTheSameSeed_IsTheSameRun(bool cold)
    {
        SimulationOptions tiny = Small with { Nodes = 15, Providers = 2, Minutes = 0.25, Cold = cold };
        SimulationReport first = new Simulation(tiny).Run(), second = new Simulation(tiny).Run(), other = new Simulation(tiny with { Seed = 4 }).Run();
        static string Figures(SimulationReport report) => (report with { WallSeconds = 0, CpuSeconds = 0, PeakMegabytes = 0 }).ToJson();
        Assert.That(Figures(second), Is.EqualTo(Figures(first)));
        Assert.That(Figures(other), Is.Not.EqualTo(Figures(first)));
    }

    [TestCase("--nodes")]
    [TestCase("--nodes", "3")]
    [TestCase("--churn", "2")]
    [TestCase("--start", "hot")]
    [TestCase("--unknown", "1")]
    public void Tool_BadOptions_AreUsageErrors(params string[] arguments)
    {
        StringWriter errors = new();
        Assert.That(SimulateTool.Run(arguments, TextWriter.Null, errors), Is.EqualTo(2));
        Assert.That(errors.ToString(), Does.StartWith("error:").And.Contain(arguments[0]).And.Contain("--help"));
    }

    [Test]
    public void Loop_RunsEventsInOrderOfTimeAndPosting()
    {
        SimLoop loop = new();
        List<string> seen = [];
        loop.Schedule(() => seen.Add("late"), 20);
        loop.Schedule(() => { seen.Add("a"); loop.Schedule(() => seen.Add("same moment"), 0); }, 10);
        loop.Schedule(() => seen.Add("b"), 10);
        loop.RunUntil(15);
        Assert.That(seen, Is.EqualTo(new[] { "a", "b", "same moment" }));
        loop.RunUntil(20);
        Assert.That(seen[^1], Is.EqualTo("late"));
        Assert.That(loop.Now, Is.EqualTo(20));
    }

    /// <summary>What a killed node waited for never comes, also not when its memory is collected.</summary>
    [Test]
    public void Loop_PeriodicTimerOfADeadNode_IsNotWokenByTheCollector()
    {
        SimLoop loop = new();
        List<long> ticks = [];
        BeatAndDie(loop, ticks);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        loop.RunUntil(10_000);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ticks, Is.EqualTo(new[] { 1000, 2000 }));
            Assert.That(loop.Strays, Is.Zero);
        }
    }

    /// <summary>Leaves nothing of the node on the caller's stack.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void BeatAndDie(SimLoop loop, List<long> ticks)
    {
        SimClock clock = new(loop, DateTimeOffset.UnixEpoch);
        SimNetwork network = new(loop, new Random(1));
        loop.Schedule(() => network.Watch(BeatAsync()), 0);
        loop.Schedule(clock.Stop, 2500);
        loop.RunUntil(5000);

        async Task BeatAsync()
        {
            using PeriodicTimer timer = new(TimeSpan.FromSeconds(1), clock);
            while (await timer.WaitForNextTickAsync())
            {
                ticks.Add(loop.Now);
            }

            ticks.Add(-1);
        }
    }
}
