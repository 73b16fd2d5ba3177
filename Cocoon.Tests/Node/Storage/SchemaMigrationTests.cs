using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Protocol.Ton.Wallets;
using Cocoon.Tests.Node.Payments;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Storage;

/// <summary>Files that earlier versions wrote, opened by this one.</summary>
internal sealed class SchemaMigrationTests
{
    /// <summary>Their externals are not known any more, so that nobody could tell whether one of them happened.</summary>
    [Test]
    public async Task Open_FileWithARequestThatTheWalletHadRefused_DoesNotRepeatIt()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("old.db");
        TonAddress wallet = new(0, ProviderFixture.Hash(2));
        OutboxRequest request = new("pay", new InternalMessage(wallet, 5, Bounce: false, Cell.Empty).ToCell(), SendMode.PayFeesSeparately);
        await using (CocoonDatabase old = CocoonDatabase.Open(path, [.. Schema.Migrations.Take(6)]))
        {
            await old.WriteAsync(
                session =>
                {
                    foreach ((string key, string words) in new[] { ("pay", "not sent: the wallet refuses its external message (135)"), ("poor", "not sent: the wallet holds 0") })
                    {
                        session.Execute(
                            "INSERT INTO outbox (wallet, key, message, mode, state, result, words) VALUES ($1, $2, x'', 1, 'done', 'NotSent', $3)", wallet.ToString(), key, words);
                    }
                },
                CancellationToken.None);
        }

        await using CocoonDatabase now = CocoonDatabase.Open(path);
        SqliteOutboxStore store = new(now);
        await store.EnqueueAsync(wallet, request, CancellationToken.None);
        await store.EnqueueAsync(wallet, request with { Key = "poor" }, CancellationToken.None);
        Assert.That((await store.GetWaitingAsync(wallet, 10, CancellationToken.None)).Select(r => r.Key), Is.EqualTo(new[] { "poor" }));
        Assert.That((await store.GetOutcomeAsync(wallet, "pay", CancellationToken.None))!.Result, Is.EqualTo(SendResult.Refused));
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public async Task Open_FileOfAnEarlierSchema_KeepsTotalsVouchersAndQueue(int version)
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("old.db");
        using Ed25519PrivateKey wallet = Ed25519PrivateKey.Generate(), provider = Ed25519PrivateKey.Generate();
        TonAddress client = new(0, ProviderFixture.Hash(2)), payout = new(0, ProviderFixture.Hash(1));
        const ulong salt = 77;
        using Ed25519PrivateKey payKey = ChannelTerms.DerivePayKey(wallet, provider.PublicKey, Networks.DevnetGlobalId, salt);
        ChannelTerms terms = new(client, payKey.PublicKey, payout, provider.PublicKey, 3_600, 1_800_000_060, 1_800_600_000, Networks.DevnetGlobalId, salt);
        byte[] channel = new ChannelContract(terms).Address.Id.ToArray();
        VoucherStatement statement = new(new ChannelContract(terms).Address.Id, 4_200, 9);
        await using (CocoonDatabase old = CocoonDatabase.Open(path, [.. Schema.Migrations.Take(version)]))
        {
            await old.WriteAsync(
                session =>
                {
                    session.Execute(
                        """
                        INSERT INTO client_channel (channel, peer, payout, provider_key, code_hash, pay_key, client, challenge, open_before, expires_at, global_id, salt,
                            deposit, state, highest_total, nonce, due, created_at)
                        VALUES ($1, $2, $3, $4, $5, $6, $7, 3600, 1800000060, 1800600000, $8, 77, 200000000, 'open', 5000, 12, 4100, 1800000000)
                        """,
                        channel, PeerId.FromPublicKey(provider.PublicKey).ToString(), payout.ToString(), provider.PublicKey.ToArray(), ChannelContract.CodeHash.ToArray(),
                        payKey.PublicKey.ToArray(), client.ToString(), Networks.DevnetGlobalId);
                    session.Execute("INSERT INTO client_spend VALUES (20833, 5000)");
                    session.Execute(
                        """
                        INSERT INTO provider_channel (channel, terms, expires_at, total, nonce, signature, vouchers, due, claimed, balance, verified_at, created_at)
                        VALUES ($1, $2, 1800600000, 4200, 9, $3, 3, 4100, 1000, 210000000, 1800000000, 1800000000)
                        """,
                        channel, terms.Encode(), statement.Sign(payKey));
                    if (version >= 2)
                    {
                        session.Execute("INSERT INTO outbox (wallet, key, message, mode) VALUES ($1, 'pay:1#1', x'b5ee9c724101010100020000004cacb9cd', 1)", client.ToString());
                    }
                },
                CancellationToken.None);
        }

        await using CocoonDatabase now = CocoonDatabase.Open(path);
        ClientChannelRecord paying = new ClientChannelStore(now).List(10).Single();
        ProviderChannelRecord paid = new ProviderChannelStore(now).List(10).Single();
        IReadOnlyList<OutboxRequest> waiting = await new SqliteOutboxStore(now).GetWaitingAsync(client, 10, CancellationToken.None);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((paying.HighestTotal, paying.Nonce, paying.Due, paying.State, paying.Attended), Is.EqualTo((5_000UL, 12UL, 4_100UL, ChannelPhase.Open, false)));
            Assert.That(paying.Terms, Is.EqualTo(terms));
            Assert.That(new ClientChannelStore(now).SpentOn(DateTimeOffset.FromUnixTimeSeconds(20_833L * 86_400)), Is.EqualTo(5_000));
            Assert.That(paid.Voucher!.Statement, Is.EqualTo(statement));
            Assert.That(paid.Voucher.Verify(payKey.PublicKey), Is.True, "what was signed before can still be claimed");
            Assert.That((paid.Due, paid.Claimed, paid.Vouchers), Is.EqualTo((4_100UL, 1_000UL, 3L)));
            Assert.That(waiting.Select(r => r.Key), Is.EqualTo(version >= 2 ? ["pay:1#1"] : Array.Empty<string>()));
            Assert.That(now.Read(s => s.QueryFirst("PRAGMA user_version", row => row.GetInt32(0))), Is.EqualTo(Schema.Migrations.Count));
        }
    }
}
