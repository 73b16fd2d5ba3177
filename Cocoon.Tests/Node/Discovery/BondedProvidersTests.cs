using System.Globalization;
using Cocoon.Node.Discovery;
using Cocoon.Node.Routing;
using Cocoon.Node.Serving;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Discovery;

/// <summary>A stake on chain is what peer ids are not: dear. It earns a place that no crowd of ids takes away.</summary>
public sealed class BondedProvidersTests
{
    private const int GlobalId = -777;

    private static readonly string s_model = Convert.ToHexStringLower(TestOffers.ModelId);
    private static readonly TonAddress s_owner = new(0, new CellHash([7, .. new byte[31]]));

    private readonly List<TestOffers> _made = [];
    private ManualTimeProvider _time = null!;
    private BondedProviders _bonds = null!;
    private OfferBook _book = null!;
    private BondChain _chain = null!;
    private BondReader _reader = null!;

    [SetUp]
    public void Create()
    {
        _time = new ManualTimeProvider();
        _bonds = new BondedProviders(_time);
        _book = new OfferBook(_time, _bonds);
        _chain = new BondChain();
        _reader = new BondReader(_bonds, _book, _chain, new RouteTerms(new HashSet<string>(), GlobalId), _time, NullLogger<BondReader>.Instance);
    }

    [TearDown]
    public void Clear()
    {
        _reader.Dispose();
        _made.ForEach(offers => offers.Dispose());
        _made.Clear();
    }

    [Test, CancelAfter(60_000)]
    public async Task Flood_OfThousandsOfIds_DisplacesNeitherABondedStrangerNorAllOthers(CancellationToken cancellationToken)
    {
        VerifiedOffer[] before = [.. Enumerable.Range(0, 20).Select(i => Stranger(i, $"/ip4/44.{i}.1.1/tcp/1"))];
        Assert.That(before.Select(o => _book.Add(o)), Is.All.EqualTo(OfferRejection.None));
        Flood(3000, withBond: true);
        TestOffers honest = New();
        VerifiedOffer bonded = Bonded(honest, Stake(honest));
        Assert.That(_book.Add(bonded), Is.EqualTo(OfferRejection.Full), "nobody knows yet");
        await ReadUntilAsync(() => _book.ForModel(s_model).Any(o => o.Peer == honest.Peer), before, bonded, cancellationToken);
        Flood(3000, withBond: true);
        PeerId[] left = [.. _book.ForModel(s_model).Select(o => o.Peer)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(left, Does.Contain(honest.Peer));
            Assert.That(left.Intersect(before.Select(o => o.Peer)).Count(), Is.EqualTo(before.Length), "who was there stays");
            Assert.That(_book.IsBonded(honest.Peer), Is.True);
        }
    }

    [Test]
    public async Task Reading_OfManyBonds_IsOneOfTheChainAtATime_AndNoneForStatementsThatDoNotHold()
    {
        for (int i = 0; i < 1000; i++)
        {
            TestOffers liar = New();
            VerifiedOffer offer = Bonded(liar, new TonAddress(0, new CellHash([9, .. new byte[31]])), o => o.PriceStatementSignature = ByteString.CopyFrom(new byte[64]));
            _book.Add(offer);
        }

        await _reader.ReadNextAsync(CancellationToken.None);
        Assert.That(_chain.Reads, Is.Zero);
        Flood(1000, withBond: true);
        for (int i = 1; i <= 5; i++)
        {
            await _reader.ReadNextAsync(CancellationToken.None);
            Assert.That(_chain.Reads, Is.EqualTo(i));
        }
    }

    [Test]
    public async Task Stake_ReadOnce_IsNotReadAgainBeforeHalfAnHour_AndOutlastsAnOutage()
    {
        TestOffers honest = New();
        TonAddress bond = Stake(honest);
        _book.Add(Bonded(honest, bond));
        await _reader.ReadNextAsync(CancellationToken.None);
        Assert.That((_chain.Reads, _bonds.IsBonded(honest.Peer)), Is.EqualTo((1, true)));
        for (ulong sequence = 2; sequence < 20; sequence++)
        {
            _book.Add(Bonded(honest, bond, sequence: sequence));
            await _reader.ReadNextAsync(CancellationToken.None);
        }

        Assert.That(_chain.Reads, Is.EqualTo(1));
        _time.Advance(TimeSpan.FromMinutes(31));
        _chain.IsDown = true;
        _book.Add(Bonded(honest, bond, sequence: 20));
        await _reader.ReadNextAsync(CancellationToken.None);
        Assert.That((_chain.Reads, _bonds.IsBonded(honest.Peer)), Is.EqualTo((2, true)), "a chain that cannot be read takes nothing away");
        _chain.IsDown = false;
        _chain.Change(bond, state => state with { UnlockAt = 1 });
        _book.Add(Bonded(honest, bond, sequence: 21));
        await _reader.ReadNextAsync(CancellationToken.None);
        Assert.That((_chain.Reads, _bonds.IsBonded(honest.Peer)), Is.EqualTo((3, false)), "it is being taken back");
    }

    [TestCase("peer", "another peer")]
    [TestCase("network", "another network")]
    [TestCase("slashed", "slashed")]
    [TestCase("unbonding", "unbonding")]
    [TestCase("period", "604800")]
    [TestCase("stake", "it holds 9.499999999 TON")]
    [TestCase("code", "no bond contract")]
    [TestCase("layout", "not a bond's")]
    [TestCase("origin", "did not begin")]
    [TestCase("none", "no bond contract")]
    public async Task Stake_ThatIsNotOne_DoesNotCount(string what, string because)
    {
        TestOffers provider = New();
        TonAddress bond = what switch
        {
            "none" => new TonAddress(0, default),
            "peer" => Stake(New()),
            "network" => Stake(provider, globalId: -3),
            "period" => Stake(provider, period: 604_799),
            "stake" => Stake(provider, balance: 9_499_999_999),
            _ => Stake(provider),
        };
        _chain.Change(bond, state => what switch
        {
            "slashed" => state with { Slashed = true },
            "unbonding" => state with { UnlockAt = 5 },
            "origin" => state with { Owner = new TonAddress(0, default) },
            _ => state,
        });
        if (what is "code" or "layout")
        {
            Cell other = new CellBuilder().StoreUInt(1, 8).Build();
            _chain.Accounts[bond] = what == "code" ? _chain.Accounts[bond] with { Code = other } : _chain.Accounts[bond] with { Data = other };
        }

        _book.Add(Bonded(provider, bond));
        await _reader.ReadNextAsync(CancellationToken.None);
        Assert.That((_chain.Reads, _bonds.IsBonded(provider.Peer)), Is.EqualTo((1, false)));
        Assert.That(BondJudgement.Fault(await _chain.GetAccountAsync(bond, CancellationToken.None), provider.Key.PublicKey, GlobalId), Does.Contain(because));
        _book.Add(Bonded(provider, bond, sequence: 2));
        await _reader.ReadNextAsync(CancellationToken.None);
        Assert.That(_chain.Reads, Is.EqualTo(2), "one for the book, one for the words: a refusal is not asked about again");
    }

    [Test]
    public void Statement_OfOtherPricesModelOrVersion_IsNoneOfTheOffers()
    {
        TestOffers provider = New();
        TonAddress bond = Stake(provider);
        Assert.That(PriceStatement.TryGetBond(Bonded(provider, bond), out TonAddress named, out Ed25519PublicKey? key), Is.True);
        Assert.That((named, key!.Bytes.ToArray()), Is.EqualTo((bond, provider.Key.PublicKey.Bytes.ToArray())));
        foreach (Action<Offer> change in (Action<Offer>[])[o => o.Prices.Completion++, o => o.Prices.Cached++, o => o.ModelId = ByteString.CopyFrom(new byte[32]), o => o.PriceVersion++, o => o.Bond = "", o => o.Bond = "-1:" + bond.Id])
        {
            Assert.That(PriceStatement.TryGetBond(Bonded(provider, bond, change), out _, out _), Is.False);
        }
    }

    /// <summary>Two statements with one version and other prices are what a bond is slashed for.</summary>
    [Test]
    public async Task Statements_OfAProvider_NeverSayTwoThingsUnderOneVersion_AlsoAfterARestart()
    {
        using TemporaryDirectory directory = new();
        TestOffers provider = New();
        Dictionary<ulong, string> said = [];
        for (int run = 0; run < 3; run++)
        {
            await using CocoonDatabase database = CocoonDatabase.Open(Path.Combine(directory.Path, "node.db"));
            using PriceStatements statements = new(new TonAddress(0, default), provider.Key, database, _time);
            for (int i = 0; i < 20; i++)
            {
                Offer offer = provider.Create();
                offer.ModelId = ByteString.CopyFrom([(byte)(i % 2), .. new byte[31]]);
                offer.Prices.Completion += (ulong)(i / 4);
                await statements.SignAsync(offer, CancellationToken.None);
                string prices = $"{offer.ModelId.ToBase64()} {offer.Prices}";
                Assert.That(said.TryAdd(offer.PriceVersion, prices) || said[offer.PriceVersion] == prices, Is.True);
                Assert.That(PriceStatement.TryGetBond(provider.Sign(offer), out _, out _), Is.True);
            }
        }

        Assert.That(said, Has.Count.EqualTo(3 * 10), "and what did not change is not signed anew");
        Assert.That(said.Keys.Min(), Is.GreaterThanOrEqualTo((ulong)_time.GetUtcNow().ToUnixTimeMilliseconds()));
    }

    private TestOffers New()
    {
        TestOffers made = new(_time.GetUtcNow());
        _made.Add(made);
        return made;
    }

    private TonAddress Stake(TestOffers provider, ulong balance = BondJudgement.MinStakeNanoton, int globalId = GlobalId, uint period = BondJudgement.MinUnbondSeconds)
    {
        ProviderBondContract contract = new(s_owner, provider.Key.PublicKey, new BondParams(new TonAddress(0, default), period, balance, globalId));
        _chain.Accounts[contract.Address] = new TonAccount(
            contract.Address, AccountStatus.Active, balance, contract.StateInit.Code, contract.StateInit.Data, default, 0, 0);
        return contract.Address;
    }

    private VerifiedOffer Bonded(TestOffers provider, TonAddress bond, Action<Offer>? change = null, ulong sequence = 1)
    {
        Offer offer = provider.Create(sequence);
        offer.IssuedAtMs = (ulong)_time.GetUtcNow().ToUnixTimeMilliseconds();
        offer.ExpiresAtMs = offer.IssuedAtMs + (ulong)OfferLimits.TimeToLive.TotalMilliseconds;
        PriceStatement.Sign(offer, bond, 1, provider.Key);
        change?.Invoke(offer);
        return provider.Sign(offer);
    }

    private VerifiedOffer Stranger(int payout, string address, bool withBond = false)
    {
        TestOffers stranger = New();
        Offer offer = stranger.Create();
        offer.Payout = "0:" + payout.ToString("x64", CultureInfo.InvariantCulture);
        offer.Addresses.Add(ByteString.CopyFrom(Multiaddr.Parse(address).Bytes));
        if (withBond)
        {
            PriceStatement.Sign(offer, new TonAddress(0, new CellHash([.. stranger.Key.PublicKey.Bytes])), 1, stranger.Key);
        }

        return stranger.Sign(offer);
    }

    /// <summary>With addresses of networks that its owner made up, and stakes that do not exist.</summary>
    private void Flood(int ids, bool withBond)
    {
        for (int i = 0; i < ids; i++)
        {
            _book.Add(Stranger(1_000_000 + i, $"/ip4/{20 + (i / 200)}.{i % 200}.1.1/tcp/1", withBond));
        }
    }

    /// <summary>As in a network: everybody refreshes, and the chain is read now and then.</summary>
    private async Task ReadUntilAsync(Func<bool> isDone, VerifiedOffer[] others, VerifiedOffer bonded, CancellationToken cancellationToken)
    {
        for (int reads = 0; !isDone(); reads++)
        {
            Assert.That(reads, Is.LessThan(20_000), "the bond was never read");
            cancellationToken.ThrowIfCancellationRequested();
            if (reads % 5 == 0)
            {
                _book.Add(bonded);
                Assert.That(others.Select(o => _book.Add(o)), Is.All.EqualTo(OfferRejection.OldSequence));
            }

            await _reader.ReadNextAsync(cancellationToken);
        }
    }

    private sealed class BondChain : ITonClient
    {
        public Dictionary<TonAddress, TonAccount> Accounts { get; } = [];

        public int Reads { get; private set; }

        public bool IsDown { get; set; }

        public void Change(TonAddress bond, Func<BondState, BondState> change)
        {
            if (Accounts.TryGetValue(bond, out TonAccount? account))
            {
                Accounts[bond] = account with { Data = change(BondState.Read(account.Data!)).ToCell() };
            }
        }

        public Task<TonAccount> GetAccountAsync(TonAddress address, CancellationToken cancellationToken)
        {
            Reads++;
            return IsDown
                ? throw new TonException(TonErrorCode.Unreachable, "down")
                : Task.FromResult(Accounts.GetValueOrDefault(address) ?? new TonAccount(address, AccountStatus.Uninitialized, 0, null, null, default, 0, 0));
        }

        public Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(TonAddress address, int limit, TransactionId? from, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<TonTransaction?> FindReceiverTransactionAsync(TonAddress source, TonAddress destination, ulong createdLt, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task SendBocAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<GetMethodResult> RunGetMethodAsync(TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<Cell> GetConfigParamAsync(int id, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<ChainTime> GetChainTimeAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
