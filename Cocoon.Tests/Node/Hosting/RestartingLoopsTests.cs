using Cocoon.Node.Hosting;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Hosting;

public sealed class RestartingLoopsTests
{
    [Test]
    public async Task Loop_ThatFails_IsToldAtOnceAndBegunAgain_AndTheOthersGoOn()
    {
        await VirtualLoop.Enter();
        ManualTimeProvider time = new();
        RecordingLogger<RestartingLoopsTests> logger = new();
        using CancellationTokenSource stop = new();
        int failing = 0, steady = 0, turns = 0;
        Task running = RestartingLoops.RunAsync(
            [
                ("the first", _ => ++failing < 3 ? throw new InvalidOperationException("broken") : Task.Delay(Timeout.InfiniteTimeSpan, time, stop.Token)),
                ("the second", async token =>
                {
                    steady++;
                    while (true)
                    {
                        await Task.Delay(TimeSpan.FromSeconds(1), time, token);
                        turns++;
                    }
                }),
            ],
            logger, time, stop.Token);
        Assert.That(logger.Entries, Has.Count.EqualTo(1), "nothing has to end first");
        Assert.That(logger.Entries, Has.One.Contains("the first").And.One.Contains("broken"));
        await time.PassAsync(RestartingLoops.Pause + RestartingLoops.Pause, TimeSpan.FromSeconds(1));
        Assert.That((failing, steady, turns, logger.Entries.Count), Is.EqualTo((3, 1, 10, 2)));
        await stop.CancelAsync();
        await time.RunAsync(running);
        Assert.That(logger.Entries, Has.Count.EqualTo(2), "stopping is no failure");
    }

    /// <summary>A time-out inside of a loop is its failure, not its end.</summary>
    [Test]
    public async Task Loop_CancelledByAnotherThanTheService_IsBegunAgain()
    {
        await VirtualLoop.Enter();
        ManualTimeProvider time = new();
        using CancellationTokenSource stop = new(), other = new();
        await other.CancelAsync();
        int begun = 0;
        RecordingLogger<RestartingLoopsTests> logger = new();
        Task running = RestartingLoops.RunAsync([("it", _ => ++begun == 1 ? Task.FromCanceled(other.Token) : Task.CompletedTask)], logger, time, stop.Token);
        await time.RunAsync(running);
        Assert.That((begun, logger.Entries.Count), Is.EqualTo((2, 1)));
    }
}
