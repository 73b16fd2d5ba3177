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
        OutboxRequest request = new("pay", new InternalMessage(new TonAddress(0, Hash(2)), 5, Bounce: false, Cell.Empty).ToCell(), SendMode.PayFeesSeparately);
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
}
