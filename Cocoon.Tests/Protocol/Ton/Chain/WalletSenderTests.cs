using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Protocol.Ton.Wallets;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.Chain;

/// <summary>The queue under faults: whatever goes wrong on the way, a payment happens once or not at all.</summary>
internal sealed class WalletSenderTests : ChainFixture
{
    private static InternalMessage Payment(TonAddress to, ulong value = 100_000_000) => new(to, value, Bounce: false, InternalMessage.Comment("once"));

    private static TonAddress Nobody() => new(0, new CellHash(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));

    private async Task<int> ArrivalsAsync(TonAddress address) =>
        (await HistoryAsync(address)).Count(transaction => transaction.InMessage is { Kind: TonMessageKind.Internal });

    [Test, CancelAfter(60_000)]
    public async Task Send_FromAWalletNeverUsed_DeploysItByTheFirstExternal()
    {
        Person payer = await NewPersonAsync(1 * Ton);
        TonAddress receiver = Nobody();
        SendOutcome outcome = await payer.SendAsync("pay", Payment(receiver));
        Assert.That(outcome.Result, Is.EqualTo(SendResult.Delivered), outcome.Words);
        TonAccount wallet = await Devnet.Client.GetAccountAsync(payer.Address, Patience);
        Assert.That(payer.Wallet.ReadSeqno(wallet.Data!), Is.EqualTo(1));
        Assert.That(outcome.Value, Is.EqualTo(100_000_000));
        TonTransaction transaction = (await HistoryAsync(payer.Address))[0];
        Assert.That(transaction.Id, Is.EqualTo(outcome.WalletTransaction));
        Assert.That(transaction.BalanceChange, Is.EqualTo(-(Int128)(outcome.Value + outcome.ForwardFee + outcome.WalletFees)));
    }

    [Test, CancelAfter(60_000)]
    public async Task Send_FromV4R2_Delivers()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        WalletV4R2 wallet = new(key.PublicKey);
        await Devnet.FaucetAsync(wallet.Address, 1 * Ton);
        await using Person payer = new(key, wallet, Devnet.Client, new InMemoryOutboxStore());
        TonAddress receiver = Nobody();
        SendOutcome[] outcomes = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => payer.SendAsync($"pay {i}", Payment(receiver, 10_000_000))));
        Assert.That(outcomes.Select(outcome => outcome.Result), Is.All.EqualTo(SendResult.Delivered));
        Assert.That(await ArrivalsAsync(receiver), Is.EqualTo(6));
    }

    [Test, CancelAfter(60_000)]
    public async Task Send_OfTheSameKeyTwice_PaysOnce()
    {
        Person payer = await NewPersonAsync(1 * Ton);
        TonAddress receiver = Nobody();
        SendOutcome first = await payer.SendAsync("pay", Payment(receiver));
        SendOutcome second = await payer.SendAsync("pay", Payment(receiver));
        Assert.That(second, Is.EqualTo(first));
        Assert.That(await ArrivalsAsync(receiver), Is.EqualTo(1));
    }

    [Test, CancelAfter(60_000)]
    public async Task Send_OfMoreThanTheWalletHolds_SaysSoAndSendsNothing()
    {
        Person payer = await NewPersonAsync(1 * Ton);
        SendOutcome outcome = await payer.SendAsync("pay", Payment(Nobody(), 2 * Ton));
        Assert.That(outcome.Result, Is.EqualTo(SendResult.NotSent));
        Assert.That(outcome.Words, Does.Contain("1000000000").And.Contain("2000000000"));
        Assert.That((await Devnet.Client.GetAccountAsync(payer.Address, Patience)).Balance, Is.EqualTo(1 * Ton));
    }

    [Test, CancelAfter(60_000)]
    public async Task Crash_BetweenStoringAndSending_SendsTheStoredBytesAfterRestart()
    {
        FlakyTonClient dead = new(Devnet.Client) { OnSend = (_, _, _) => throw new TonException(TonErrorCode.Unreachable, "cable cut") };
        Person payer = await NewPersonAsync(1 * Ton, dead);
        TonAddress receiver = Nobody();
        await payer.Sender.EnqueueAsync(new OutboxRequest("pay", Payment(receiver).ToCell(), SendMode.PayFeesSeparately), Patience);
        await dead.FirstSend;
        await payer.DisposeAsync();
        Assert.That(await ArrivalsAsync(receiver), Is.Zero);

        FlakyTonClient alive = new(Devnet.Client);
        Person again = Restart(payer, alive);
        SendOutcome outcome = await again.Sender.WaitAsync("pay", Patience);
        Assert.That(outcome.Succeeded, outcome.Words);
        Assert.That(alive.Sent[0], Is.EqualTo(dead.Sent[0]), "signed once");
        Assert.That(await ArrivalsAsync(receiver), Is.EqualTo(1));
    }

    [Test, CancelAfter(60_000)]
    public async Task Crash_BetweenSendingAndSeeing_FindsThePaymentAfterRestart()
    {
        FlakyTonClient lossy = new(Devnet.Client)
        {
            OnSend = async (client, boc, token) =>
            {
                await client.SendBocAsync(boc, token);
                throw new TonException(TonErrorCode.Unreachable, "the answer is lost");
            },
        };
        Person payer = await NewPersonAsync(1 * Ton, lossy);
        TonAddress receiver = Nobody();
        await payer.Sender.EnqueueAsync(new OutboxRequest("pay", Payment(receiver).ToCell(), SendMode.PayFeesSeparately), Patience);
        await lossy.FirstSend;
        await payer.DisposeAsync();

        FlakyTonClient alive = new(Devnet.Client);
        Person again = Restart(payer, alive);
        SendOutcome outcome = await again.Sender.WaitAsync("pay", Patience);
        Assert.That(outcome.Succeeded, outcome.Words);
        Assert.That(await ArrivalsAsync(receiver), Is.EqualTo(1));
        Assert.That(alive.Sent, Is.Empty, "it had happened");
    }

    [Test, CancelAfter(60_000)]
    public async Task External_SwallowedUntilItExpires_IsSignedAgainAndPaidOnce()
    {
        List<ReadOnlyMemory<byte>> swallowed = [];
        FlakyTonClient client = new(Devnet.Client)
        {
            OnSend = async (chain, boc, token) =>
            {
                if (swallowed.Count == 0 || swallowed[0].Span.SequenceEqual(boc.Span))
                {
                    swallowed.Add(boc);
                    return;
                }

                await chain.SendBocAsync(boc, token);
            },
        };
        Person payer = await NewPersonAsync(1 * Ton, client);
        TonAddress receiver = Nobody();
        Task<SendOutcome> sending = payer.SendAsync("pay", Payment(receiver));
        await client.FirstSend;
        await Devnet.AdvanceAsync(120);
        SendOutcome outcome = await sending;
        Assert.That(outcome.Succeeded, outcome.Words);
        TonException refused = (await Assert.ThrowsAsync<TonException>(() => Devnet.Client.SendBocAsync(swallowed[0], Patience)))!;
        Assert.That(refused.Code, Is.EqualTo(TonErrorCode.NotAccepted), "the first external is dead");
        Assert.That(await ArrivalsAsync(receiver), Is.EqualTo(1));
    }

    [Test, CancelAfter(60_000)]
    public async Task Clock_ThatRanAhead_CannotMakeAPaymentHappenTwice()
    {
        // The first external is held back, a lying clock has it taken for expired, and then it arrives before the second.
        ReadOnlyMemory<byte>? held = null;
        bool arrived = false;
        FlakyTonClient client = new(Devnet.Client)
        {
            OnSend = async (chain, boc, token) =>
            {
                if (held is not { } first)
                {
                    held = boc;
                    return;
                }

                if (first.Span.SequenceEqual(boc.Span))
                {
                    return;
                }

                if (!arrived)
                {
                    arrived = true;
                    await chain.SendBocAsync(first, token);
                }

                await chain.SendBocAsync(boc, token);
            },
        };
        client.OnAccount = account => held is null ? account : account with { SyncTime = account.SyncTime + 3_600 };
        Person payer = await NewPersonAsync(1 * Ton, client);
        TonAddress receiver = Nobody();
        SendOutcome outcome = await payer.SendAsync("pay", Payment(receiver));
        Assert.That(outcome.Succeeded, outcome.Words);
        SendOutcome next = await payer.SendAsync("pay again", Payment(receiver));
        Assert.That(next.Succeeded, next.Words);
        Assert.That(await ArrivalsAsync(receiver), Is.EqualTo(2), "one for each request");
    }

    /// <summary>A server that runs its clock ahead, says that it takes nothing, and keeps what it is given.</summary>
    [Test, CancelAfter(120_000)]
    public async Task Externals_RefusedByAServerThatKeepsThem_AreNeverPaidBesideAnother([Values] bool arrives, [Values] bool restarts)
    {
        List<byte[]> held = [];
        bool lies = true;
        FlakyTonClient client = new(Devnet.Client)
        {
            OnSend = (chain, boc, token) =>
            {
                if (!lies)
                {
                    return chain.SendBocAsync(boc, token);
                }

                held.Add(boc.ToArray());
                throw new TonException(TonErrorCode.NotAccepted, "no");
            },
        };
        client.OnAccount = account => lies ? account with { SyncTime = account.SyncTime + (3_600 * (uint)held.Count) } : account;
        Person payer = await NewPersonAsync(2 * Ton, client);
        TonAddress receiver = Nobody();
        SendOutcome refused = await payer.SendAsync("pay", Payment(receiver));
        Assert.That((refused.Result, refused.WasNeverSigned, held.Count), Is.EqualTo((SendResult.Refused, false, 3)), refused.Words);
        lies = false;
        if (arrives)
        {
            await Devnet.Client.SendBocAsync(held[0], Patience);
            SendOutcome other = await payer.SendAsync("another", Payment(Nobody()));
            Assert.That(other.Succeeded, other.Words);
        }

        if (restarts)
        {
            await payer.DisposeAsync();
            payer = Restart(payer, client);
        }

        // Told again with another body, as an intention with a fresh query id is: what was signed first is what counts.
        SendOutcome outcome = await payer.SendAsync("pay", new InternalMessage(receiver, 100_000_000, Bounce: false, InternalMessage.Comment("anew")));
        Assert.That(outcome.Succeeded, outcome.Words);
        Assert.That(await ArrivalsAsync(receiver), Is.EqualTo(1));
        SendOutcome next = await payer.SendAsync("pay again", Payment(receiver));
        Assert.That((next.Succeeded, await ArrivalsAsync(receiver)), Is.EqualTo((true, 2)), next.Words);
    }

    /// <summary>The chain takes one of the externals at the moment when the same request is signed again for the same number.</summary>
    [Test, CancelAfter(120_000)]
    public async Task Externals_RefusedAndTakenWhenTheRequestIsSignedAgain_PayOnce()
    {
        List<byte[]> held = [];
        bool lies = true;
        FlakyTonClient client = new(Devnet.Client)
        {
            OnSend = async (chain, boc, token) =>
            {
                if (lies)
                {
                    held.Add(boc.ToArray());
                    throw new TonException(TonErrorCode.NotAccepted, "no");
                }

                if (held.Count > 0)
                {
                    await chain.SendBocAsync(held[1], token);
                    held.Clear();
                }

                await chain.SendBocAsync(boc, token);
            },
        };
        client.OnAccount = account => lies ? account with { SyncTime = account.SyncTime + (3_600 * (uint)held.Count) } : account;
        Person payer = await NewPersonAsync(2 * Ton, client);
        TonAddress receiver = Nobody();
        Assert.That((await payer.SendAsync("pay", Payment(receiver))).Result, Is.EqualTo(SendResult.Refused));
        lies = false;
        SendOutcome outcome = await payer.SendAsync("pay", Payment(receiver));
        Assert.That((outcome.Succeeded, await ArrivalsAsync(receiver)), Is.EqualTo((true, 1)), outcome.Words);
    }

    /// <summary>A server that shows an earlier state of the wallet, later than the external is valid, and keeps the external.</summary>
    [Test, CancelAfter(120_000)]
    public async Task External_HeldByAServerThatSetsTheWalletBack_IsNotPaidBesideAnother()
    {
        byte[]? held = null;
        bool sets = false, lies = false;
        FlakyTonClient client = new(Devnet.Client)
        {
            OnSend = async (chain, boc, token) =>
            {
                if (!sets)
                {
                    await chain.SendBocAsync(boc, token);
                }
                else if (held is null)
                {
                    (held, lies) = (boc.ToArray(), true);
                }
                else if (lies)
                {
                    // Signed again, for the number that was shown: now the first one is let go.
                    lies = false;
                    await chain.SendBocAsync(held, token);
                }
                else
                {
                    await chain.SendBocAsync(boc, token);
                }
            },
        };
        client.OnAccount = account => lies
            ? account with { Status = AccountStatus.Uninitialized, Code = null, Data = null, SyncTime = account.SyncTime + 3_600 }
            : account;
        Person payer = await NewPersonAsync(2 * Ton, client);
        Assert.That((await payer.SendAsync("first", Payment(Nobody()))).Succeeded, Is.True);
        sets = true;
        TonAddress receiver = Nobody();
        SendOutcome outcome = await payer.SendAsync("pay", Payment(receiver));
        SendOutcome next = await payer.SendAsync("pay again", Payment(Nobody()));
        Assert.That((outcome.Succeeded, next.Succeeded, await ArrivalsAsync(receiver)), Is.EqualTo((true, true, 1)), outcome.Words);
    }

    [Test, CancelAfter(60_000)]
    public async Task External_DeliveredTwice_PaysOnce()
    {
        FlakyTonClient client = new(Devnet.Client)
        {
            OnSend = async (chain, boc, token) =>
            {
                await chain.SendBocAsync(boc, token);
                await chain.SendBocAsync(boc, token);
            },
        };
        Person payer = await NewPersonAsync(1 * Ton, client);
        TonAddress receiver = Nobody();
        SendOutcome outcome = await payer.SendAsync("pay", Payment(receiver));
        Assert.That(outcome.Succeeded, outcome.Words);
        Assert.That(await ArrivalsAsync(receiver), Is.EqualTo(1));
    }

    [Test, CancelAfter(60_000)]
    public async Task Seqno_UsedByAnotherMessageOfTheWallet_IsNoticedAndOursIsSignedAgain()
    {
        TonAddress receiver = Nobody();
        TonAddress other = Nobody();
        Person? payer = null;
        bool interfered = false;
        FlakyTonClient client = new(Devnet.Client)
        {
            OnSend = async (chain, boc, token) =>
            {
                if (!interfered)
                {
                    // The same wallet, used on another machine, is faster.
                    interfered = true;
                    TonAccount account = await chain.GetAccountAsync(payer!.Address, token);
                    ExternalMessage rival = payer.Wallet.CreateExternal(
                        payer.Key, 0, account.SyncTime + 60, [new WalletTransfer(Payment(other).ToCell(), SendMode.PayFeesSeparately)], deploy: true);
                    await chain.SendBocAsync(BocWriter.Write(rival.ToCell()), token);
                }

                await chain.SendBocAsync(boc, token);
            },
        };
        payer = await NewPersonAsync(1 * Ton, client);
        SendOutcome outcome = await payer.SendAsync("pay", Payment(receiver));
        Assert.That(outcome.Succeeded, outcome.Words);
        Assert.That((await ArrivalsAsync(receiver), await ArrivalsAsync(other)), Is.EqualTo((1, 1)));
    }

    /// <summary>A server keeps the external, and shows its number taken by a message that the wallet's key never signed.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Seqno_SaidToBeUsedByAMessageThatTheWalletNeverSigned_IsNotPaidTwice()
    {
        Person stranger = await NewPersonAsync(1 * Ton);
        SendOutcome strange = await stranger.SendAsync("pay", Payment(Nobody()));
        byte[]? held = null;
        bool holds = false, lies = false;
        int looks = 0;
        TonTransaction? forged = null;
        FlakyTonClient client = new(Devnet.Client)
        {
            OnSend = async (chain, boc, token) =>
            {
                if (holds && held is null)
                {
                    (held, lies) = (boc.ToArray(), true);
                    return;
                }

                if (held is not null && lies)
                {
                    // Signed again, for the number after it: now both are let go.
                    lies = false;
                    await chain.SendBocAsync(held, token);
                }

                await chain.SendBocAsync(boc, token);
            },
        };
        Person payer = await NewPersonAsync(2 * Ton, client);
        client.OnAccount = account =>
        {
            // In the end the server is well again, should it not have been believed.
            if (account.Address != payer.Address || !(lies = lies && ++looks < 5))
            {
                return account;
            }

            CellSlice data = account.Data!.BeginParse();
            CellBuilder moved = new CellBuilder().StoreBit(data.LoadBit()).StoreUInt(data.LoadUInt32() + 1, 32).StoreCell(data.RemainderToCell());
            return account with { Data = moved.Build(), LastTransaction = new TransactionId(account.LastTransaction.LogicalTime + 1, forged!.Id.Hash) };
        };
        client.OnTransactions = address => lies && address == payer.Address ? [forged!] : null;
        Assert.That((await payer.SendAsync("first", Payment(Nobody()))).Succeeded, Is.True);
        forged = (await HistoryAsync(stranger.Address)).Single(transaction => transaction.Id == strange.WalletTransaction);
        holds = true;
        TonAddress receiver = Nobody();
        SendOutcome outcome = await payer.SendAsync("pay", Payment(receiver));
        SendOutcome next = await payer.SendAsync("pay again", Payment(Nobody()));
        Assert.That((outcome.Succeeded, next.Succeeded, await ArrivalsAsync(receiver)), Is.EqualTo((true, true, 1)), outcome.Words);
    }

    [Test, CancelAfter(120_000)]
    public async Task Requests_ManyAtOnce_ShareAnExternal()
    {
        FlakyTonClient client = new(Devnet.Client);
        InMemoryOutboxStore store = new();
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        WalletV5R1 wallet = new(key.PublicKey, TonNetwork.Devnet.GlobalId);
        await Devnet.FaucetAsync(wallet.Address, 5 * Ton);
        for (int i = 0; i < 255; i++)
        {
            await store.EnqueueAsync(wallet.Address, new OutboxRequest($"pay {i}", Payment(Nobody(), 1_000_000).ToCell(), SendMode.PayFeesSeparately), Patience);
        }

        await using Person payer = new(key, wallet, client, store);
        SendOutcome[] outcomes = await Task.WhenAll(Enumerable.Range(0, 255).Select(i => payer.Sender.WaitAsync($"pay {i}", Patience)));
        Assert.That(outcomes.Count(outcome => outcome.Succeeded), Is.EqualTo(255));
        Assert.That(client.Sent, Has.Count.EqualTo(1), "255 messages in one external");
        Assert.That(client.Sent[0], Has.Length.LessThan(65_536));
    }

    /// <summary>Distinct cells of 120 bytes, four to each.</summary>
    private static Cell Tree(int seed, int cells)
    {
        Random random = new(seed);
        Queue<Cell> free = new();
        while (cells-- > 0)
        {
            byte[] bytes = new byte[120];
            random.NextBytes(bytes);
            CellBuilder builder = new CellBuilder().StoreBytes(bytes);
            while (free.Count > Math.Max(cells, 0) && builder.ReferenceCount < 4)
            {
                builder.StoreReference(free.Dequeue());
            }

            free.Enqueue(builder.Build());
        }

        return free.Dequeue();
    }

    [Test, CancelAfter(60_000)]
    public async Task Requests_TooBigForOneExternal_TakeSeveral()
    {
        FlakyTonClient client = new(Devnet.Client);
        InMemoryOutboxStore store = new();
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        WalletV5R1 wallet = new(key.PublicKey, TonNetwork.Devnet.GlobalId);
        await Devnet.FaucetAsync(wallet.Address, 5 * Ton);
        TonAddress receiver = Nobody();
        for (int i = 0; i < 3; i++)
        {
            InternalMessage big = new(receiver, 1_000_000, Bounce: false, Tree(i, cells: i == 2 ? 600 : 300));
            await store.EnqueueAsync(wallet.Address, new OutboxRequest($"pay {i}", big.ToCell(), SendMode.PayFeesSeparately), Patience);
        }

        await using Person payer = new(key, wallet, client, store);
        SendOutcome[] outcomes = await Task.WhenAll(Enumerable.Range(0, 3).Select(i => payer.Sender.WaitAsync($"pay {i}", Patience)));
        Assert.That(outcomes.Select(outcome => outcome.Result), Is.EqualTo(new[] { SendResult.Delivered, SendResult.Delivered, SendResult.NotSent }));
        Assert.That(outcomes[2].Words, Does.Contain("65535"));
        Assert.That(client.Sent.Select(boc => boc.Length), Is.All.LessThan(65_536));
    }

    [Test, CancelAfter(60_000)]
    public async Task Transactions_Mutated_AreOtherTransactionsOrProtocolErrors()
    {
        Person payer = await NewPersonAsync(1 * Ton);
        await payer.SendAsync("pay", new InternalMessage(payer.Address, 1_000_000, Bounce: true, InternalMessage.Comment("to myself")));
        Random random = new(9);
        foreach (TonTransaction transaction in await HistoryAsync(payer.Address))
        {
            byte[] good = BocWriter.Write(transaction.Raw);
            Assert.That(TonTransaction.Read(BocReader.ReadSingle(good)).Id, Is.EqualTo(transaction.Id));
            for (int i = 0; i < 4_000; i++)
            {
                byte[] bad = (byte[])good.Clone();
                bad[random.Next(good.Length - 4)] ^= (byte)(1 << random.Next(8));
                System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bad.AsSpan(bad.Length - 4), Checksums.Crc32C(bad.AsSpan(0, bad.Length - 4)));
                try
                {
                    Assert.That(TonTransaction.Read(BocReader.ReadSingle(bad)).Id, Is.Not.EqualTo(transaction.Id));
                }
                catch (TonException)
                {
                }
            }
        }
    }
}
