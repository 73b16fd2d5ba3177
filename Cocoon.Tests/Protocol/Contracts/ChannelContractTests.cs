using System.Text.Json.Nodes;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Contracts;

public sealed class ChannelContractTests
{
    private readonly Ed25519PrivateKey _payKey = Ed25519PrivateKey.FromSeed(Enumerable.Repeat((byte)1, 32).ToArray());
    private readonly Ed25519PrivateKey _providerKey = Ed25519PrivateKey.FromSeed(Enumerable.Repeat((byte)2, 32).ToArray());

    private static TonAddress Address(byte fill) => new(0, new CellHash(Enumerable.Repeat(fill, 32).ToArray()));

    [OneTimeTearDown]
    public void DisposeKeys()
    {
        _payKey.Dispose();
        _providerKey.Dispose();
    }

    private ChannelTerms Terms(ulong salt = 7) =>
        new(Address(0xC1), _payKey.PublicKey, Address(0xB1), _providerKey.PublicKey, 3600, 1_800_000_060, 1_800_600_000, -3, salt);

    /// <summary>The data cell as the contract leaves it after opening and a claim.</summary>
    private static Cell DataAfter(ChannelTerms terms, bool opened, ulong claimed, uint expiresAt)
    {
        Cell initial = terms.InitialData();
        return new CellBuilder().StoreBit(opened).StoreCoins(claimed).StoreUInt(0, 32).StoreUInt(expiresAt, 32)
            .StoreBytes(terms.PayKey.Bytes).StoreAddress(terms.Payout).StoreReference(initial.References[0]).Build();
    }

    private static TonAccount Account(ChannelContract channel, Cell data, Cell? code = null, ulong balance = 510_000_000) =>
        new(channel.Address, AccountStatus.Active, balance, code ?? ContractCode.Channel, data, default, 1_800_000_000, 1);

    [Test]
    public void CodeHashes_OfEmbeddedContracts_AreTheOnesWrittenDown()
    {
        string json = File.ReadAllText(Path.Combine(TestPaths.RepositoryRoot, "Cocoon.Protocol", "Contracts", "Compiled", "contracts.json"));
        Dictionary<string, string> hashes = JsonNode.Parse(json)!["contracts"]!.AsArray()
            .ToDictionary(entry => (string)entry!["name"]!, entry => (string)entry!["codeHash"]!);
        Assert.That(ChannelContract.CodeHash.ToString(), Is.EqualTo(hashes["Channel"]));
        Assert.That(ProviderBondContract.CodeHash.ToString(), Is.EqualTo(hashes["ProviderBond"]));
        Assert.That(RegistryContract.CodeHash.ToString(), Is.EqualTo(hashes["Registry"]));
    }

    [Test]
    public void Statements_AreHashedAsTheirCellIs()
    {
        CellHash id = Address(9).Id;
        VoucherStatement voucher = new(id, 12345, 6);
        Assert.That(voucher.Digest(), Is.EqualTo(new CellBuilder().StoreUInt(0x43564348, 32).StoreHash(id).StoreUInt(12345, 64).StoreUInt(6, 64).Build().Hash.ToArray()));
        Assert.That(voucher.ToBytes(), Has.Length.EqualTo(VoucherStatement.Size));
        GrantStatement grant = new(id, _providerKey.PublicKey, 77);
        Assert.That(grant.Digest(), Is.EqualTo(new CellBuilder().StoreUInt(0x43444C47, 32).StoreHash(id).StoreBytes(_providerKey.PublicKey.Bytes).StoreUInt(77, 64).Build().Hash.ToArray()));
        CloseAckStatement ack = new(id, 99);
        Assert.That(ack.Digest(), Is.EqualTo(new CellBuilder().StoreUInt(0x43434C53, 32).StoreHash(id).StoreUInt(99, 64).Build().Hash.ToArray()));
        BondStatement bond = new(id, BondStatementKind.Usage, Address(4).Id, Address(5).Id);
        Assert.That(bond.ToSign(), Is.EqualTo(new CellBuilder().StoreUInt(0x4353544D, 32).StoreHash(id).StoreUInt(2, 8).StoreHash(Address(4).Id).StoreHash(Address(5).Id).Build().Hash.ToArray()));
        Assert.That(bond.ToBytes(), Has.Length.EqualTo(BondStatement.Size));
    }

    [Test]
    public void Voucher_SignedForAnotherChannelTotalOrKey_IsFalse()
    {
        VoucherStatement voucher = new(Address(9).Id, 1000, 1);
        byte[] signature = voucher.Sign(_payKey);
        Assert.That(voucher.Verify(_payKey.PublicKey, signature));
        Assert.That((voucher with { Channel = Address(8).Id }).Verify(_payKey.PublicKey, signature), Is.False);
        Assert.That((voucher with { Total = 1001 }).Verify(_payKey.PublicKey, signature), Is.False);
        Assert.That((voucher with { Nonce = 2 }).Verify(_payKey.PublicKey, signature), Is.False);
        Assert.That(voucher.Verify(_providerKey.PublicKey, signature), Is.False);
        Assert.That(VoucherStatement.TryDecode(voucher.ToBytes(), out VoucherStatement back) && back == voucher);
        Assert.That(VoucherStatement.TryDecode((voucher with { Total = 1UL << 63 }).ToBytes(), out _), Is.False);
        Assert.That(VoucherStatement.TryDecode(new CloseAckStatement(Address(9).Id, 1).ToBytes(), out _), Is.False);
    }

    [Test]
    public void Grant_WithinItsCap_LetsTheSessionKeyPay()
    {
        using Ed25519PrivateKey session = Ed25519PrivateKey.Generate();
        CellHash channel = Address(9).Id;
        SignedGrant grant = new GrantStatement(channel, session.PublicKey, 500).Sign(_payKey);
        SignedVoucher Voucher(ulong total, CellHash of) => new(new VoucherStatement(of, total, 0), new VoucherStatement(of, total, 0).Sign(session), grant);
        Assert.That(Voucher(500, channel).Verify(_payKey.PublicKey));
        Assert.That(Voucher(501, channel).Verify(_payKey.PublicKey), Is.False, "over the cap");
        Assert.That(Voucher(500, Address(8).Id).Verify(_payKey.PublicKey), Is.False, "a grant of another channel");
        Assert.That(Voucher(500, channel).Verify(_providerKey.PublicKey), Is.False, "another payer");
    }

    [Test]
    public void Terms_OnTheWire_ComeBackEqualAndGiveTheSameAddress()
    {
        ChannelTerms terms = Terms();
        Assert.That(ChannelTerms.TryDecode(terms.Encode(), out ChannelTerms? back));
        Assert.That(back, Is.EqualTo(terms));
        Assert.That(new ChannelContract(back!).Address, Is.EqualTo(new ChannelContract(terms).Address));
        Assert.That(new ChannelContract(Terms(8)).Address, Is.Not.EqualTo(new ChannelContract(terms).Address));
        Assert.That(ChannelTerms.TryDecode(BocWriter.Write(DataAfter(terms, true, 0, 0)), out _), Is.False, "not initial data");
    }

    [Test]
    public void TryDecode_OfMutatedTerms_IsFalseOrAnotherChannel()
    {
        ChannelTerms terms = Terms();
        byte[] good = terms.Encode();
        Random random = new(11);
        for (int i = 0; i < 10_000; i++)
        {
            byte[] bad = (byte[])good.Clone();
            bad[random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
            if (ChannelTerms.TryDecode(i % 5 == 0 ? bad[..random.Next(bad.Length)] : bad, out ChannelTerms? other))
            {
                Assert.That(new ChannelContract(other).Address, Is.Not.EqualTo(new ChannelContract(terms).Address));
            }
        }
    }

    [Test]
    public void Verify_OfTheOpenedChannel_SaysWhatIsSpendable()
    {
        ChannelContract channel = new(Terms());
        ChannelVerdict verdict = channel.Verify(Account(channel, DataAfter(Terms(), true, 1_000, 1_800_600_000)));
        Assert.That(verdict, Is.InstanceOf<ChannelVerdict.Open>());
        ChannelVerdict.Open open = (ChannelVerdict.Open)verdict;
        Assert.That((open.Spendable, open.State.Claimed, open.State.IsClosing), Is.EqualTo((500_000_000UL, 1_000UL, false)));
        Assert.That(channel.Verify(Account(channel, DataAfter(Terms(), true, 0, 1_900_000_000))), Is.InstanceOf<ChannelVerdict.Open>(), "extended");
    }

    [Test]
    public void Verify_OfAnythingElse_SaysWhyNot()
    {
        ChannelContract channel = new(Terms());
        Cell good = DataAfter(Terms(), true, 0, 1_800_600_000);
        string Word(ChannelContract contract, TonAccount account) => ((ChannelVerdict.Rejected)contract.Verify(account)).Word;
        Assert.That(Word(channel, Account(channel, DataAfter(Terms(), false, 0, 1_800_600_000))), Is.EqualTo("not_open"));
        Assert.That(Word(channel, Account(channel, good, ContractCode.Registry)), Is.EqualTo("wrong_code"));
        Assert.That(Word(channel, Account(channel, DataAfter(Terms(8), true, 0, 1_800_600_000))), Is.EqualTo("wrong_terms"));
        Assert.That(Word(channel, Account(channel, DataAfter(Terms(), true, 0, 1_700_000_000))), Is.EqualTo("wrong_terms"), "an expiry that moved earlier");
        Assert.That(Word(channel, Account(channel, Cell.Empty)), Is.EqualTo("wrong_data"));
        Assert.That(Word(channel, Account(channel, good) with { Status = AccountStatus.Uninitialized }), Is.EqualTo("not_deployed"));
        Assert.That(Word(channel, Account(channel, good) with { Address = channel.Address with { Workchain = -1 } }), Is.EqualTo("wrong_address"));
        byte[] identity = new byte[32];
        identity[0] = 1;
        ChannelContract weak = new(Terms() with { PayKey = new Ed25519PublicKey(identity) });
        Assert.That(Word(weak, Account(weak, good)), Is.EqualTo("weak_key"), "anybody could sign");
    }

    [Test]
    public void Registry_WithABootstrapList_ReadsBack()
    {
        string[] addresses = [.. Enumerable.Range(1, 40).Select(i => $"/ip4/10.0.0.{i}/tcp/4001/p2p/12D3KooWJvyP3VJYymTqG7eH4PM5rN4T2agk5cdNCfNymAqwqcvZ")];
        RegistryContract registry = RegistryContract.Create(Address(0xAD), 259_200, new NetParams(1, 2, 3, 4, 1, 1), addresses);
        RegistryState state = RegistryContract.ParseState(registry.StateInit!.Data!);
        Assert.That(state.Bootstrap, Is.EqualTo(addresses));
        Assert.That(state.Admin, Is.EqualTo(Address(0xAD)));
        Assert.That(state.ChannelCodeHash, Is.EqualTo(ChannelContract.CodeHash));
        Assert.That(state.Params, Is.EqualTo(new NetParams(1, 2, 3, 4, 1, 1)));
        Assert.That(state.Measurements, Is.Empty);
    }

    [Test]
    public void Bond_AfterDeployment_ReadsBack()
    {
        BondParams parameters = new(Address(1), 604_800, 5_000_000_000, -3);
        ProviderBondContract bond = new(Address(2), _providerKey.PublicKey, parameters);
        BondState state = ProviderBondContract.ParseState(bond.StateInit.Data!);
        Assert.That(state, Is.EqualTo(new BondState(Address(2), _providerKey.PublicKey, 0, false, 0, default, parameters)));
        Assert.That(state.IsBonded);
    }
}
