using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Protocol.Ton.Wallets;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Wallets;

public sealed class SqliteOutboxStoreTests
{
    private static readonly TonAddress s_wallet = new(0, Hash(1));

    private static CellHash Hash(byte fill) => new(Enumerable.Repeat(fill, 32).ToArray());

    [Test]
    public async Task Renew_AfterReopening_KeepsRequestsAndEarlierExternals()
    {
        using TemporaryDirectory directory = new();
        OutboxRequest request = Request("pay", 5);
        OutboxBatch first = new([request], [1, 2, 3], Hash(3), 7, 100, new TransactionId(9, Hash(4)));
        OutboxBatch second = first with { Boc = [4], NormalizedHash = Hash(5), ValidUntil = 200, Earlier = [Hash(3)] };
        OutboxBatch third = second with { Boc = [5], NormalizedHash = Hash(6), ValidUntil = 300, Earlier = [Hash(3), Hash(5)] };
        await using (CocoonDatabase database = CocoonDatabase.Open(directory.File("cocoon.db")))
        {
            SqliteOutboxStore store = new(database);
            await store.EnqueueAsync(s_wallet, request, default);
            await store.StartAsync(s_wallet, first, default);
            await store.RenewAsync(s_wallet, second, default);
            await store.RenewAsync(s_wallet, third, default);
        }

        await using CocoonDatabase again = CocoonDatabase.Open(directory.File("cocoon.db"));
        SqliteOutboxStore reopened = new(again);
        OutboxBatch? found = await reopened.GetInFlightAsync(s_wallet, default);
        Assert.That((found!.Boc, found.Seqno, found.ValidUntil, found.LastBefore), Is.EqualTo((new byte[] { 5 }, 7U, 300U, first.LastBefore)));
        Assert.That(found.Requests.Select(one => one.Key), Is.EqualTo(new[] { "pay" }));
        Assert.That(new[] { Hash(3), Hash(5), Hash(6), Hash(9) }.Select(found.IsOurs), Is.EqualTo(new[] { true, true, true, false }));
        Assert.That(await reopened.GetWaitingAsync(s_wallet, 10, default), Is.Empty);
        await reopened.ReturnAsync(s_wallet, found, default);
        Assert.That((await reopened.GetWaitingAsync(s_wallet, 10, default)).Count, Is.EqualTo(1));
    }

    [Test]
    public async Task GiveUp_AfterReopening_WaitsAgainWithTheMessageAndTheExternalsThatWereSigned()
    {
        using TemporaryDirectory directory = new();
        OutboxRequest first = Request("pay", 5), again = Request("pay", 6);
        OutboxBatch batch = new([first], [1], Hash(3), 7, 100, new TransactionId(9, Hash(4))) { Earlier = [Hash(5)] };
        SendOutcome outcome = new(SendResult.Refused, "refused");
        await using (CocoonDatabase database = CocoonDatabase.Open(directory.File("cocoon.db")))
        {
            SqliteOutboxStore store = new(database);
            await store.EnqueueAsync(s_wallet, first, default);
            await store.StartAsync(s_wallet, batch, default);
            await store.ReturnAsync(s_wallet, batch with { Requests = [first with { Refused = batch.RefusedFor(first, most: 10) }] }, default);
            Assert.That((await store.GetWaitingAsync(s_wallet, 10, default)).Single().Refused!.Hashes, Is.EqualTo(new[] { Hash(5), Hash(3) }));
            await store.StartAsync(s_wallet, batch, default);
            await store.GiveUpAsync(s_wallet, [first with { Refused = batch.RefusedFor(first, most: 10) }], outcome, default);
            Assert.That(await store.GetInFlightAsync(s_wallet, default), Is.Null);
            Assert.That(await store.GetOutcomeAsync(s_wallet, "pay", default), Is.EqualTo(outcome));
        }

        await using CocoonDatabase reopened = CocoonDatabase.Open(directory.File("cocoon.db"));
        SqliteOutboxStore later = new(reopened);
        for (int i = 0; i < 2; i++)
        {
            await later.EnqueueAsync(s_wallet, again, default);
            OutboxRequest waiting = (await later.GetWaitingAsync(s_wallet, 10, default)).Single();
            Assert.That(waiting.Message.Hash, Is.EqualTo(first.Message.Hash));
            Assert.That(waiting.Refused!.Hashes, Is.EqualTo(new[] { Hash(5), Hash(3) }));
            Assert.That((waiting.Refused.Seqno, waiting.Refused.LastBefore), Is.EqualTo((7U, batch.LastBefore)));

            // For want of money, say: what was signed is not forgotten for that.
            await later.RejectAsync(s_wallet, "pay", outcome, default);
        }

        await later.EnqueueAsync(s_wallet, again, default);
        await later.ForgetRefusedAsync(s_wallet, "pay", default);
        Assert.That((await later.GetWaitingAsync(s_wallet, 10, default)).Single().Refused, Is.Null);
        await later.RejectAsync(s_wallet, "pay", new SendOutcome(SendResult.NotSent, "poor"), default);
        await later.EnqueueAsync(s_wallet, again, default);
        Assert.That((await later.GetWaitingAsync(s_wallet, 10, default)).Single().Message.Hash, Is.EqualTo(again.Message.Hash));
    }

    private static OutboxRequest Request(string key, ulong value) => new(
        key, new InternalMessage(new TonAddress(0, Hash(2)), value, Bounce: false, Cell.Empty).ToCell(), SendMode.PayFeesSeparately);
}
