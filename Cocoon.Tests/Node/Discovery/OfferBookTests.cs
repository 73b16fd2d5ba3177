using Cocoon.Node.Discovery;
using Cocoon.Node.Routing;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Tests.Support;
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
