using Cocoon.Node.Payments;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Tests.EndToEnd;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

/// <summary>A step's lead that several requests use up, and what the disk says meanwhile.</summary>
internal sealed class ClientChannelLeadTests
{
    private const ulong Step = 100;

    [Test]
    public async Task VouchAsync_WithinTheStepThatLeads_RepeatsTheVoucherAndWritesNothing()
    {
        await using ClientChannelTests.Fixture fixture = new();
        ClientChannel channel = fixture.Channel;
        for (uint i = 1; i <= 9; i++)
        {
            ClientSession session = channel.BeginSession(new SessionId(i), ahead: Step);
            VoucherMessage message = await session.VouchAsync(20, CancellationToken.None);
            Assert.That((Total(message), channel.Record.Nonce), Is.EqualTo((Step, 1UL)), $"request {i}");
            await session.EndSoonAsync(10);
        }

        Assert.That(fixture.Store.Find(channel.Channel)!.Nonce, Is.EqualTo(1));
        ClientSession next = channel.BeginSession(new SessionId(10), ahead: Step);
        Assert.That(Total(await next.VouchAsync(20, CancellationToken.None)), Is.EqualTo(90 + Step), "the tenth needs more than is left: one step beyond what is owed");
    }

    [Test]
    public async Task VouchAsync_SideBySide_LeadsByAStepForEachThatRuns()
    {
        await using ClientChannelTests.Fixture fixture = new();
        ClientSession[] sessions = [.. Enumerable.Range(1, 3).Select(i => fixture.Channel.BeginSession(new SessionId((uint)i), ahead: Step))];
        Assert.That(Total(await sessions[0].VouchAsync(20, CancellationToken.None)), Is.EqualTo(3 * Step));
        await sessions[1].VouchAsync(Step, CancellationToken.None);
        await sessions[2].VouchAsync(Step, CancellationToken.None);
        Assert.That(fixture.Channel.HighestTotal, Is.EqualTo(3 * Step));
    }

    [Test]
    public async Task VouchAsync_StepBeyondALimit_RaisesAsFarAsItGoes()
    {
        await using ClientChannelTests.Fixture fixture = new(new SpendOptions { PerDay = 70 });
        ClientSession session = fixture.Channel.BeginSession(new SessionId(1), ahead: Step);
        Assert.That(Total(await session.VouchAsync(20, CancellationToken.None)), Is.EqualTo(70), "the day's limit");
        Assert.That(fixture.Store.SpentOn(fixture.Time.GetUtcNow()), Is.EqualTo(70));
        PaymentException? over = await Assert.ThrowsAsync<PaymentException>(() => session.VouchAsync(71, CancellationToken.None));
        Assert.That(over!.Code, Is.EqualTo(PaymentErrorCode.Limit));

        await using ClientChannelTests.Fixture small = new();
        ClientSession large = small.Channel.BeginSession(new SessionId(1), ahead: 1_000_000);
        Assert.That(Total(await large.VouchAsync(20, CancellationToken.None)), Is.EqualTo(small.Channel.Record.Deposit), "the deposit");
    }

    [Test]
    public async Task EndSoonAsync_WhenAllIsQuiet_IsOnTheDiskExactly()
    {
        await using ClientChannelTests.Fixture fixture = new();
        ClientSession session = fixture.Channel.BeginSession(new SessionId(1), ahead: Step);
        await session.VouchAsync(20, CancellationToken.None);
        ClientChannelRecord running = fixture.Store.Find(fixture.Channel.Channel)!;
        Assert.That((running.Due, running.MayOwe), Is.EqualTo((0UL, 2 * Step)), "the total, and a step beyond it");

        await session.EndSoonAsync(10);
        Assert.That(fixture.Channel.Record.Due, Is.EqualTo(10));
        await Eventually.TrueAsync(
            "the exact due is stored",
            () =>
            {
                fixture.Time.Advance(ClientChannel.DuesInterval);
                ClientChannelRecord quiet = fixture.Store.Find(fixture.Channel.Channel)!;
                return (quiet.Due, quiet.MayOwe) == (10UL, 10UL);
            },
            TimeSpan.FromSeconds(30),
            CancellationToken.None);
    }

    [Test]
    public async Task StopAsync_AfterRequests_LeavesNothingToTheProvidersWord()
    {
        await using ClientChannelTests.Fixture fixture = new();
        ClientSession session = fixture.Channel.BeginSession(new SessionId(1), ahead: Step);
        await session.VouchAsync(20, CancellationToken.None);
        await session.EndSoonAsync(10);
        await fixture.Channel.StopAsync();
        using ClientChannel restarted = fixture.Restart();
        await Assert.ThrowsAsync<PaymentException>(() => restarted.ReconcileAsync(Step, carriedDue: 11, asking: null, CancellationToken.None));
    }

    /// <summary>Whatever begins and ends: a process that dies after a voucher is out believes its provider what the sessions may truly have cost.</summary>
    [Test]
    public async Task VouchAsync_WhateverWentBefore_TheDiskForeseesWhatMayBeOwed([Values(1, 2, 3, 4)] int seed)
    {
        await using ClientChannelTests.Fixture fixture = new();
        ClientChannel channel = fixture.Channel;
        Random random = new(seed);
        List<(ClientSession Session, ulong Allocated)> live = [];
        uint id = 0;
        for (int i = 0; i < 300; i++)
        {
            switch (random.Next(4))
            {
                case 0 when live.Count < 6:
                    live.Add((channel.BeginSession(new SessionId(++id), ahead: Step), 0));
                    break;
                case 1 or 2 when live.Count > 0:
                    int at = random.Next(live.Count);
                    ulong upTo = live[at].Allocated + (ulong)random.Next(1, 30);
                    live[at] = (live[at].Session, upTo);
                    VoucherMessage message = await live[at].Session.VouchAsync(upTo, CancellationToken.None);
                    ClientChannelRecord stored = fixture.Store.Find(channel.Channel)!;
                    Assert.That(stored.MayOwe, Is.GreaterThanOrEqualTo(channel.Record.MayOwe), $"step {i}");
                    Assert.That(stored.HighestTotal, Is.GreaterThanOrEqualTo(Total(message)), $"step {i}");
                    break;
                case 3 when live.Count > 0:
                    (ClientSession ending, ulong allocated) = live[^1];
                    live.RemoveAt(live.Count - 1);
                    ulong due = allocated == 0 ? 0 : (ulong)random.Next((int)allocated + 1);
                    await (random.Next(3) == 0 ? ending.EndAsync(due, due + (ulong)random.Next(20), CancellationToken.None) : ending.EndSoonAsync(due).AsTask());
                    break;
                default:
                    fixture.Time.Advance(ClientChannel.DuesInterval);
                    break;
            }
        }
    }

    private static ulong Total(VoucherMessage message) =>
        VoucherStatement.TryDecode(message.Statement.Span, out VoucherStatement statement) ? statement.Total : throw new AssertionException("no voucher");
}
