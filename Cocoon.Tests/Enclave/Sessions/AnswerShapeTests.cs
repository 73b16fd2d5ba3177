using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>What the paced shapes show to a host, on a clock that the test moves.</summary>
public sealed class AnswerShapeTests
{
    private const int FirstChunk = 1 + 64 + ResponseShape.FrameSize + HpkeAead.TagSize;
    private const int OtherChunk = 1 + ResponseShape.FrameSize + HpkeAead.TagSize;

    private ManualTimeProvider _time = null!;

    [SetUp]
    public void SetUp() => _time = new ManualTimeProvider();

    [Test]
    public async Task Steady_WholeAnswer_IsOneEqualFramePerTickForWholeBlocks()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync(_time);
        await using ClientSession client = await pair.OpenAsync(unit: 64);
        await client.StartAsync(client.Seal(Shape.Steady));
        EnclaveEvent.Ended ended = await DriveAsync(client);

        int[] sizes = [.. client.Seen.OfType<EnclaveEvent.Output>().Select(o => o.Sealed.Length)];
        Assert.That(sizes[0], Is.EqualTo(FirstChunk));
        Assert.That(sizes.Skip(1), Is.All.EqualTo(OtherChunk));
        Assert.That((sizes.Length - 1) % ResponseShape.TicksPerBlock, Is.Zero, "whole blocks");
        Assert.That(client.IsComplete);
        Assert.That(client.Text, Has.Length.EqualTo(48));
        Assert.That(ended.DueNanoton, Is.EqualTo(33));
    }

    [Test]
    public async Task Steady_Due_IsToldAtBlockEdgesInWholeUnits()
    {
        FakeEngine engine = new() { Words = 200, Step = new SemaphoreSlim(0) };
        await using EnclavePair pair = await EnclavePair.StartAsync(_time, engine);
        await using ClientSession client = await pair.OpenAsync(unit: 64);
        await client.StartAsync(client.Seal(Shape.Steady));
        int frames = 0;
        while (frames <= 5 * ResponseShape.TicksPerBlock)
        {
            switch (await client.NextAsync())
            {
                case EnclaveEvent.Output:
                    if (++frames % 2 == 0)
                    {
                        engine.Step.Release();
                    }

                    _time.Advance(ResponseShape.Tick);
                    break;
                case EnclaveEvent.Metered metered:
                    Assert.That((frames - 1) % ResponseShape.TicksPerBlock, Is.Zero, "at an edge");

                    // Fresh prompt, cached prompt and completion, each a whole number of units.
                    Assert.That(metered.DueNanoton, Is.EqualTo(64 + 32).Or.EqualTo(64 + 32 + 192));
                    break;
            }
        }

        await client.Host.CancelAsync(CancellationToken.None);
    }

    /// <summary>The host counts a request as one that runs until it is settled: one whose client has left holds up the next.</summary>
    [TestCase("Steady", "{}"), TestCase("Steady", null), TestCase("Batch", "{}"), TestCase("Batch", null)]
    public async Task Cancel_IsSettledWithoutWaitingForATick(string named, string? refused)
    {
        Shape shape = Enum.Parse<Shape>(named);
        FakeEngine engine = new() { Step = new SemaphoreSlim(3) };
        await using EnclavePair pair = await EnclavePair.StartAsync(_time, engine);
        await using ClientSession client = await pair.OpenAsync();
        await client.StartAsync(refused is null ? client.Seal(shape) : client.Seal(shape, body: refused));
        await client.UntilAsync<EnclaveEvent.Output>();
        await client.Host.CancelAsync(CancellationToken.None);
        EnclaveEvent.Ended ended = await client.UntilAsync<EnclaveEvent.Ended>();
        Assert.That(ended.Outcome, Is.EqualTo(refused is null ? "cancelled" : "failed"));
        Assert.That(ended.DueNanoton, refused is null ? Is.GreaterThan(0) : Is.Zero);
    }

    [Test]
    public async Task Steady_Parked_KeepsTickingAndIsBlockedAtAnEdge()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync(_time);
        await using ClientSession client = await pair.OpenAsync(unit: 64);
        int armed = _time.ArmedTimers;
        await client.StartAsync(client.Seal(Shape.Steady), upToDue: 0);

        // The sender's ticks and the time to pay: frames would drive the clock past it before a slow machine has parked the slot.
        await Eventually.TrueAsync("the slot is parked", () => _time.ArmedTimers >= armed + 2, EnclavePair.Patience, CancellationToken.None);
        EnclaveEvent.Metered? blocked = null;
        int frames = 0;
        while (blocked is null)
        {
            switch (await client.NextAsync())
            {
                case EnclaveEvent.Output:
                    frames++;
                    _time.Advance(ResponseShape.Tick);
                    break;
                case EnclaveEvent.Metered metered:
                    blocked = metered;
                    break;
            }
        }

        Assert.That((frames - 1) % ResponseShape.TicksPerBlock, Is.Zero);
        Assert.That((blocked.IsBlocked, blocked.DueNanoton), Is.EqualTo((true, 64UL + 32)), "fresh and cached prompt, each a whole unit");
        Assert.That(client.Answers.Last(a => a.Delta is not null).Delta.BlockedDue, Is.EqualTo(96));
        await client.Host.AllowAsync(1000, CancellationToken.None);
        Assert.That((await DriveAsync(client)).Outcome, Is.EqualTo("finished"));
    }

    [Test]
    public async Task Batch_WholeAnswer_ComesAtOnceInAPowerOfTwoOfFrames()
    {
        // On the system's clock: a batch sends nothing on most ticks, so there is nothing to move a manual one by.
        FakeEngine engine = new() { Words = 300 };
        await using EnclavePair pair = await EnclavePair.StartAsync(engine: engine);
        await using ClientSession client = await pair.OpenAsync(unit: 64);
        await client.StartAsync(client.Seal(Shape.Batch));
        EnclaveEvent.Ended ended = await DriveAsync(client);
        int[] frames = [.. client.Seen.OfType<EnclaveEvent.Output>().Select(o => (o.Sealed.Length - 17) / ResponseShape.FrameSize)];
        Assert.That(frames, Is.All.Matches<int>(n => System.Numerics.BitOperations.IsPow2(n)));
        Assert.That(client.Answers.Count(a => a.Started is not null), Is.EqualTo(1));
        Assert.That(client.Text, Does.EndWith("word299 "));
        Assert.That((ended.Outcome, client.IsComplete), Is.EqualTo(("finished", true)));
    }

    [Test]
    public async Task Keys_AfterAnHour_RotateAndNewSessionsUseThem()
    {
        await using EnclavePair pair = await EnclavePair.StartAsync(_time);
        await using ClientSession early = await pair.OpenAsync();
        _time.Advance(TimeSpan.FromMinutes(60) + TimeSpan.FromSeconds(2));
        while (!pair.Notices.Any(n => n.BodyCase == EnclaveFrame.BodyOneofCase.KeysRotated))
        {
            await Task.Yield();
        }

        await using ClientSession late = await pair.OpenAsync();
        Assert.That(late.Enclave.KeyEpoch, Is.EqualTo(early.Enclave.KeyEpoch + 1));
        Assert.That(pair.Notices.First(n => n.KeysRotated is not null).KeysRotated.Keys, Has.Count.EqualTo(2 * HpkeSuite.Offered.Count), "two epochs");

        await late.StartAsync(late.Seal());
        Assert.That((await late.FinishAsync()).Outcome, Is.EqualTo("finished"));
    }

    /// <summary>Moves the clock once per frame, and pays when asked.</summary>
    private async Task<EnclaveEvent.Ended> DriveAsync(ClientSession client)
    {
        while (true)
        {
            switch (await client.NextAsync())
            {
                case EnclaveEvent.Output:
                    _time.Advance(ResponseShape.Tick);
                    break;
                case EnclaveEvent.Metered { IsFinal: true } final:
                    await client.Host.ReportVoucherAsync(new byte[32], final.DueNanoton, CancellationToken.None);
                    break;
                case EnclaveEvent.Metered { IsBlocked: true } blocked:
                    await client.Host.AllowAsync(blocked.DueNanoton + 1000, CancellationToken.None);
                    break;
                case EnclaveEvent.Ended ended:
                    return ended;
                case null:
                    throw new InvalidOperationException("ended without a settlement");
            }
        }
    }
}
