using Cocoon.Node.Discovery;
using Cocoon.Node.Routing;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Discovery;

public sealed class OfferBookTests
{
    private static readonly string s_model = Convert.ToHexStringLower(TestOffers.ModelId);

    private ManualTimeProvider _time = null!;
    private OfferBook _book = null!;

    [SetUp]
    public void CreateBook()
    {
        _time = new ManualTimeProvider();
        _book = new OfferBook(_time);
    }

    [Test]
    public void Add_OlderSequence_IsIgnored()
    {
        using TestOffers offers = new(_time.GetUtcNow());
        Assert.That(_book.Add(offers.Sign(offers.Create(sequence: 2))), Is.EqualTo(OfferRejection.None));
        Assert.That(_book.Add(offers.Sign(offers.Create(sequence: 1))), Is.EqualTo(OfferRejection.OldSequence));
        Assert.That(_book.ForModel(s_model), Has.Count.EqualTo(1));
    }

    [Test]
    public void ForModel_AfterTheTimeToLive_IsEmpty()
    {
        using TestOffers offers = new(_time.GetUtcNow());
        _book.Add(offers.Sign(offers.Create()));
        _time.Advance(OfferLimits.TimeToLive + TimeSpan.FromMilliseconds(1));
        Assert.That(_book.ForModel(s_model), Is.Empty);
        Assert.That(_book.All(), Is.Empty);
    }

    [Test]
    public void Add_Withdrawal_HidesTheProviderAndOutlivesOlderCopies()
    {
        using TestOffers offers = new(_time.GetUtcNow());
        VerifiedOffer first = offers.Sign(offers.Create(sequence: 1));
        _book.Add(first);
        Offer withdrawal = offers.Create(sequence: 2);
        (withdrawal.SlotsTotal, withdrawal.SlotsFree) = (0, 0);
        _book.Add(offers.Sign(withdrawal));
        Assert.That(_book.Add(first), Is.EqualTo(OfferRejection.OldSequence));
        Assert.That(_book.ForName("test-model"), Is.Empty);
    }

    [Test]
    public void Add_ManyStrangersWithOnePayout_FillsOnlyAFewPlaces()
    {
        List<OfferRejection> results = [];
        for (int i = 0; i < 10; i++)
        {
            using TestOffers stranger = new(_time.GetUtcNow());
            results.Add(_book.Add(stranger.Sign(stranger.Create())));
        }

        Assert.That(results.Count(r => r == OfferRejection.None), Is.EqualTo(OfferBook.MaxUnprovenPerPayout));
    }

    [Test]
    public void Add_ManyStrangersInOneNetwork_FillsOnlyAFewPlaces()
    {
        List<OfferRejection> results = [.. Enumerable.Range(0, 10).Select(i => AddStranger($"/ip4/8.8.8.{i}/tcp/1", i)), AddStranger("/ip4/8.8.9.1/tcp/1", 99)];
        Assert.That(results.Count(r => r == OfferRejection.None), Is.EqualTo(OfferBook.MaxUnprovenPerNetwork + 1), "the last is in another /24");
    }

    [Test]
    public void Add_KnownProviderThatMovesIntoACrowdedNetwork_IsCountedThere()
    {
        for (int i = 0; i < OfferBook.MaxUnprovenPerNetwork; i++)
        {
            AddStranger($"/ip4/8.8.8.{i}/tcp/1", i);
        }

        using TestOffers mover = new(_time.GetUtcNow());
        Assert.That(_book.Add(mover.Sign(At(mover, "/ip4/9.9.9.9/tcp/1", 50, sequence: 1))), Is.EqualTo(OfferRejection.None));
        Assert.That(_book.Add(mover.Sign(At(mover, "/ip4/8.8.8.200/tcp/1", 50, sequence: 2))), Is.EqualTo(OfferRejection.Full));
        Assert.That(_book.Add(mover.Sign(At(mover, "/ip4/9.9.9.9/tcp/1", 50, sequence: 3))), Is.EqualTo(OfferRejection.None));
    }

    [Test]
    public void Add_UnprovenOffers_LeaveHalfThePlacesToThoseThatServedUs()
    {
        for (int i = 0; i < OfferBook.MaxPerModel; i++)
        {
            AddStranger($"/ip4/{20 + (i / 250)}.{i % 250}.1.1/tcp/1", i);
        }

        Assert.That(_book.ForModel(s_model), Has.Count.EqualTo(OfferBook.MaxPerModel / 2));
        using TestOffers proven = new(_time.GetUtcNow());
        _book.History(proven.Peer).RecordAnswer(TimeSpan.FromSeconds(1), 10);
        Assert.That(_book.Add(proven.Sign(proven.Create())), Is.EqualTo(OfferRejection.None));
    }

    [Test]
    public void SourcesOf_OffersHeardTwice_NamesBothWays()
    {
        using TestOffers offers = new(_time.GetUtcNow());
        VerifiedOffer offer = offers.Sign(offers.Create());
        _book.Add(offer, OfferSource.Gossip);
        Assert.That(_book.SourcesOf([s_model]), Is.EqualTo(OfferSource.Gossip));
        _book.Add(offer, OfferSource.Dht);
        Assert.That(_book.SourcesOf([s_model]), Is.EqualTo(OfferSource.Gossip | OfferSource.Dht));
        _time.Advance(OfferLimits.TimeToLive);
        Assert.That(_book.SourcesOf([s_model]), Is.EqualTo(OfferSource.None));
    }

    [Test]
    public void IsOutdated_OlderOrOtherOfTheSameSequence_IsTrueTheSameBytesAreNot()
    {
        using TestOffers offers = new(_time.GetUtcNow());
        VerifiedOffer current = offers.Sign(offers.Create(sequence: 5));
        _book.Add(current);
        VerifiedOffer twin = offers.Sign(At(offers, "/ip4/9.9.9.9/tcp/1", 1, sequence: 5));
        Assert.That(_book.IsOutdated(offers.Peer, s_model, 4, twin.Signed.Span), Is.True);
        Assert.That(_book.IsOutdated(offers.Peer, s_model, 5, twin.Signed.Span), Is.True);
        Assert.That(_book.IsOutdated(offers.Peer, s_model, 5, current.Signed.Span), Is.False);
        Assert.That(_book.IsOutdated(offers.Peer, s_model, 6, twin.Signed.Span), Is.False);
    }

    [Test]
    public void History_OfVeryManyPeers_IsBoundedAndKeepsExperience()
    {
        using TestOffers used = new(_time.GetUtcNow());
        _book.History(used.Peer).RecordAnswer(TimeSpan.FromSeconds(1), 10);
        for (int i = 0; i < 10_000; i++)
        {
            byte[] id = [0x12, 0x20, .. new byte[28], .. BitConverter.GetBytes(i)];
            Assert.That(PeerId.TryFromBytes(id, out PeerId? peer), Is.True);
            _book.History(peer!);
        }

        Assert.That(_book.History(used.Peer).Answers, Is.EqualTo(1));
    }

    private static Offer At(TestOffers offers, string address, int payout, ulong sequence)
    {
        Offer offer = offers.Create(sequence);
        offer.Payout = "0:" + payout.ToString("x64", System.Globalization.CultureInfo.InvariantCulture);
        offer.Addresses.Add(ByteString.CopyFrom(Multiaddr.Parse(address).Bytes));
        return offer;
    }

    private OfferRejection AddStranger(string address, int payout)
    {
        using TestOffers stranger = new(_time.GetUtcNow());
        return _book.Add(stranger.Sign(At(stranger, address, payout, sequence: 1)));
    }

    /// <summary>Made-up offers fill what strangers may have: a provider that the DHT led to, and that told us of its offer itself, has a place all the same.</summary>
    [Test]
    public void Add_FirstHand_HasAPlaceBesideAFloodOfStrangers_AndKeepsIt()
    {
        for (int i = 0; i < OfferBook.MaxPerModel; i++)
        {
            AddStranger($"/ip4/20.{i / 200}.{i % 200}.1/tcp/1", i);
        }

        using TestOffers honest = new(_time.GetUtcNow());
        VerifiedOffer offer = honest.Sign(At(honest, "/ip4/44.1.1.1/tcp/1", 100_000, sequence: 1));
        Assert.That(_book.Add(offer, OfferSource.Gossip), Is.EqualTo(OfferRejection.Full));
        Assert.That(_book.Add(offer, OfferSource.Dht, isFirstHand: true), Is.EqualTo(OfferRejection.None));
        VerifiedOffer moved = honest.Sign(At(honest, "/ip4/45.1.1.1/tcp/1", 100_001, sequence: 2));
        Assert.That(_book.Add(moved, OfferSource.Gossip), Is.EqualTo(OfferRejection.None), "also from elsewhere");
        int met = 1;
        for (int i = 0; i < OfferBook.MaxPerModel; i++)
        {
            using TestOffers other = new(_time.GetUtcNow());
            met += _book.Add(other.Sign(At(other, $"/ip4/46.{i / 200}.{i % 200}.1/tcp/1", 200_000 + i, sequence: 1)), OfferSource.Dht, isFirstHand: true) == OfferRejection.None ? 1 : 0;
        }

        Assert.That(met, Is.EqualTo(OfferBook.MaxPerModel / 4), "and the rest stays for those that have served us");
    }

    /// <summary>Peer ids and payout addresses are free, and so is saying no address at all: one owner of thousands leaves places to others.</summary>
    [Test]
    public void Add_ThousandsWithoutAPublicAddress_LeavePlacesToStrangersWhoHaveOne()
    {
        int flood = 0;
        for (int i = 0; i < 2000; i++)
        {
            flood += AddStranger(i % 2 == 0 ? "/ip4/192.168.1.1/tcp/1" : "/dns4/somewhere.example/tcp/1", i) == OfferRejection.None ? 1 : 0;
        }

        OfferRejection[] honest = [.. Enumerable.Range(0, 50).Select(i => AddStranger($"/ip4/44.{i}.1.1/tcp/1", 100_000 + i))];
        Assert.That(flood, Is.EqualTo(OfferBook.MaxUnprovenWithoutNetwork));
        Assert.That(honest, Is.All.EqualTo(OfferRejection.None));
    }

    /// <summary>Whoever answers for thousands of ids himself still answers from somewhere.</summary>
    [Test]
    public void Add_ThousandsMetAtOneAddress_LeavePlacesToOthersWhoAreMet()
    {
        int flood = 0;
        for (int i = 0; i < 2000; i++)
        {
            flood += AddMet($"/ip4/20.{i / 200}.{i % 200}.1/tcp/1", i, $"/ip4/8.8.8.{i % 200}/tcp/{1000 + i}") == OfferRejection.None ? 1 : 0;
        }

        OfferRejection[] honest = [.. Enumerable.Range(0, 50).Select(i => AddMet($"/ip4/44.{i}.1.1/tcp/1", 100_000 + i, $"/ip4/44.{i}.1.1/tcp/1"))];
        Assert.That(flood, Is.EqualTo(OfferBook.MaxUnprovenPerNetwork + (OfferBook.MaxPerModel / 2)), "the rest of them counts as heard of");
        Assert.That(honest, Is.All.EqualTo(OfferRejection.None));
        Assert.That(_book.ForModel(s_model), Has.Count.LessThanOrEqualTo(OfferBook.MaxPerModel));
    }

    [Test]
    public void Add_ThousandsMetAnywhere_NeverExceedTheBook_AndGiveWayToThoseThatServedUs()
    {
        for (int i = 0; i < 2000; i++)
        {
            AddMet($"/ip4/{20 + (i / 200)}.{i % 200}.1.1/tcp/1", i, $"/ip4/{20 + (i / 200)}.{i % 200}.1.1/tcp/1");
        }

        Assert.That(_book.ForModel(s_model), Has.Count.EqualTo(OfferBook.MaxPerModel * 3 / 4));
        for (int i = 0; i < OfferBook.MaxPerModel; i++)
        {
            using TestOffers proven = new(_time.GetUtcNow());
            _book.History(proven.Peer).RecordAnswer(TimeSpan.FromSeconds(1), 10);
            Assert.That(_book.Add(proven.Sign(proven.Create())), Is.EqualTo(OfferRejection.None));
        }

        Assert.That(_book.ForModel(s_model), Has.Count.EqualTo(OfferBook.MaxPerModel));
    }

    private OfferRejection AddMet(string address, int payout, string at)
    {
        using TestOffers stranger = new(_time.GetUtcNow());
        return _book.Add(stranger.Sign(At(stranger, address, payout, sequence: 1)), OfferSource.Dht, isFirstHand: true, IpGroups.Narrow(Multiaddr.Parse(at)));
    }

    /// <summary>An offer of nothing beats every price. It is tried, and then the others are.</summary>
    [Test]
    public void Rank_OfferThatFailedAndNeverBroughtAWord_ComesLastForAWhile()
    {
        using TestOffers fake = new(_time.GetUtcNow()), honest = new(_time.GetUtcNow());
        Offer free = fake.Create();
        free.Prices = new Cocoon.Protocol.Payments.Proto.Prices();
        VerifiedOffer[] all = [fake.Sign(free), honest.Sign(honest.Create())];
        RouteRequest request = new(100, 100, AllowOpenTier: true, null, new HashSet<string> { new('0', 64) }, -777);
        Assert.That(OfferRanking.Rank(all, request, _book)[0].Offer.Peer, Is.EqualTo(fake.Peer));
        _book.History(fake.Peer).RecordFailure("ProviderLost");
        Assert.That(OfferRanking.Rank(all, request, _book)[0].Offer.Peer, Is.EqualTo(honest.Peer));
        _time.Advance(TimeSpan.FromSeconds(31));
        Assert.That(OfferRanking.Rank(all, request, _book)[0].Offer.Peer, Is.EqualTo(fake.Peer), "it may have come back");
        _book.History(fake.Peer).RecordFailure("ProviderLost");
        _time.Advance(TimeSpan.FromSeconds(31));
        Assert.That(OfferRanking.Rank(all, request, _book)[0].Offer.Peer, Is.EqualTo(honest.Peer), "twice as long");
        _book.History(honest.Peer).RecordDelivery();
        _book.History(honest.Peer).RecordFailure("ProviderLost");
        Assert.That(_book.History(honest.Peer).IsLeftAlone, Is.False, "who began an answer and was lost exists: it is judged by how often it fails");
    }

    /// <summary>The first attempt may go to a made-up offer; the second goes to somebody who exists, where there is one.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void Rank_AfterAFailure_PrefersWhoWasMet(bool isConnected)
    {
        using TestOffers failed = new(_time.GetUtcNow()), fake = new(_time.GetUtcNow()), honest = new(_time.GetUtcNow());
        Offer free = fake.Create();
        free.Prices = new Cocoon.Protocol.Payments.Proto.Prices();
        VerifiedOffer first = failed.Sign(failed.Create());
        VerifiedOffer[] all = [first, fake.Sign(free), honest.Sign(honest.Create())];
        RouteRequest request = new(100, 100, AllowOpenTier: true, null, new HashSet<string> { new('0', 64) }, -777) { Failed = [first] };
        Assert.That(OfferRanking.Rank(all, request, _book)[0].Offer.Peer, Is.EqualTo(fake.Peer), "nobody is known");
        if (!isConnected)
        {
            _book.History(honest.Peer).RecordAnswer(TimeSpan.FromSeconds(1), 10);
        }

        RouteRequest met = request with { Connected = isConnected ? new HashSet<PeerId> { honest.Peer } : new HashSet<PeerId>() };
        Assert.That(OfferRanking.Rank(all, met, _book)[0].Offer.Peer, Is.EqualTo(honest.Peer));
        Assert.That(OfferRanking.Rank(all, met with { Failed = [] }, _book)[0].Offer.Peer, Is.EqualTo(fake.Peer), "a cheap newcomer has its chance");
    }

    [Test]
    public void Rank_PrefersCheapFastAndReliable_AndNamesRejections()
    {
        using TestOffers cheap = new(_time.GetUtcNow()), dear = new(_time.GetUtcNow()), foreign = new(_time.GetUtcNow());
        Offer dearOffer = dear.Create();
        dearOffer.Prices.Completion *= 3;
        Offer foreignOffer = foreign.Create();
        foreignOffer.Terms.GlobalId = -3;
        VerifiedOffer[] all = [dear.Sign(dearOffer), cheap.Sign(cheap.Create()), foreign.Sign(foreignOffer)];
        RouteRequest request = new(100, 100, AllowOpenTier: true, null, new HashSet<string> { new('0', 64) }, -777);

        IReadOnlyList<RankedOffer> ranked = OfferRanking.Rank(all, request, _book);
        Assert.That(ranked[0].Offer.Peer, Is.EqualTo(cheap.Peer));
        Assert.That(ranked[2].Rejection, Is.EqualTo("network"));

        for (int i = 0; i < 20; i++)
        {
            _book.History(cheap.Peer).RecordFailure("ProviderLost");
        }

        Assert.That(OfferRanking.Rank(all, request, _book)[0].Offer.Peer, Is.EqualTo(dear.Peer));
        Assert.That(OfferRanking.Rank(all, request with { AllowOpenTier = false }, _book).Select(r => r.Rejection), Is.All.Not.Null);
    }

    [Test]
    public void Rank_UnprovenClaimOfSpeed_CountsAtMostAsTheMedian()
    {
        using TestOffers honest1 = new(_time.GetUtcNow()), honest2 = new(_time.GetUtcNow()), boaster = new(_time.GetUtcNow());
        Offer boast = boaster.Create();
        boast.DecodeTokensPerSecond = 1e9f;
        VerifiedOffer[] all = [honest1.Sign(honest1.Create()), honest2.Sign(honest2.Create()), boaster.Sign(boast)];
        RouteRequest request = new(100, 100, true, null, new HashSet<string> { new('0', 64) }, -777);
        IReadOnlyList<RankedOffer> ranked = OfferRanking.Rank(all, request, _book);
        Assert.That(ranked.Select(r => r.Score).Distinct().Count(), Is.EqualTo(1));
    }
}
