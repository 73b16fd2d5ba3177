using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.Chain;

/// <summary>The devnet's lite-server, whose ADNL, TL, blocks and proofs are written apart from ours in another language.</summary>
internal sealed class LiteDevnetTests : ChainFixture
{
    private readonly string _config = Path.Combine(Path.GetTempPath(), $"cocoon-lite-{Guid.NewGuid():n}.json");

    protected override string[] DevnetOptions => ["--lite-port", "0", "--lite-config", _config];

    [OneTimeTearDown]
    public void DeleteConfig() => File.Delete(_config);

    private LiteTonClient Lite()
    {
        GlobalConfig config = GlobalConfig.Parse(File.ReadAllBytes(_config));
        Assert.That(config.Anchor, Is.Not.Null);
        return new LiteTonClient(new LiteTonOptions { Servers = config.Servers, Quorum = 1, Anchor = config.Anchor, BlockAge = TimeSpan.Zero });
    }

    [Test, CancelAfter(60_000)]
    public async Task Wallet_OverLiteServers_PaysAndSeesItProven()
    {
        await using CombinedTonClient client = new(Lite(), Devnet.Client);
        Person payer = await NewPersonAsync(1 * Ton, client);
        Person receiver = await NewPersonAsync(0, client);
        SendOutcome outcome = await payer.SendAsync("pay", new InternalMessage(receiver.Address, 100_000_000, Bounce: false, Cell.Empty));
        Assert.That(outcome.Result, Is.EqualTo(SendResult.Delivered), outcome.Words);
        TonAccount account = await client.GetAccountAsync(payer.Address, Patience);
        TonAccount claimed = await Devnet.Client.GetAccountAsync(payer.Address, Patience);
        Assert.That(account.Assurance, Is.EqualTo(AccountAssurance.Proven));
        Assert.That((account.Balance, account.Data, account.Code, account.LastTransaction), Is.EqualTo((claimed.Balance, claimed.Data, claimed.Code, claimed.LastTransaction)));
        Assert.That((await client.GetAccountAsync(receiver.Address, Patience)).Balance, Is.EqualTo(100_000_000));
    }

    [Test, CancelAfter(60_000)]
    public async Task Reads_OverLiteServersAlone_AreWhatHttpSays()
    {
        await using LiteTonClient lite = Lite();
        Person person = await NewPersonAsync(1 * Ton);
        await person.SendAsync("deploy", new InternalMessage(person.Address, 1_000_000, Bounce: false, Cell.Empty));
        Assert.That(await lite.GetConfigParamAsync(21, Patience), Is.EqualTo(await Devnet.Client.GetConfigParamAsync(21, Patience)));
        Assert.That(
            (await lite.GetTransactionsAsync(person.Address, 10, null, Patience)).Select(transaction => transaction.Id),
            Is.EqualTo((await HistoryAsync(person.Address)).Select(transaction => transaction.Id)));
        GetMethodResult seqno = await lite.RunGetMethodAsync(person.Address, "seqno", [], Patience);
        Assert.That((seqno.ExitCode, seqno.Stack[0]), Is.EqualTo((0, (StackValue)new StackValue.Integer(1))));
        TonAccount nobody = await lite.GetAccountAsync(new TonAddress(-1, new CellHash(Enumerable.Repeat((byte)3, 32).ToArray())), Patience);
        Assert.That((nobody.Status, nobody.Balance, nobody.Assurance), Is.EqualTo((AccountStatus.Uninitialized, 0UL, AccountAssurance.Proven)));
    }

    [Test, CancelAfter(60_000)]
    public async Task Message_ThatTheAccountRefuses_SaysTheExitCode()
    {
        await using LiteTonClient lite = Lite();
        Person person = await NewPersonAsync(1 * Ton);
        await person.SendAsync("deploy", new InternalMessage(person.Address, 1_000_000, Bounce: false, Cell.Empty));
        ExternalMessage replay = person.Wallet.CreateExternal(
            person.Key, 0, uint.MaxValue, [new(new InternalMessage(person.Address, 1, Bounce: false, Cell.Empty).ToCell(), Cocoon.Protocol.Ton.Wallets.SendMode.IgnoreErrors)], deploy: false);
        TonException fault = (await Assert.ThrowsAsync<TonException>(() => lite.SendBocAsync(BocWriter.Write(replay.ToCell()), Patience)))!;
        Assert.That((fault.Code, fault.ExitCode), Is.EqualTo((TonErrorCode.NotAccepted, (int?)133)));
    }
}
