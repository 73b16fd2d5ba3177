using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Node.Discovery;
using Cocoon.Node.Routing;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Routing;

/// <summary>A conversation goes on where it is still in the cache, as far as that saves something.</summary>
public sealed class WarmPrefixesTests
{
    private static readonly byte[] s_alice = [1, .. new byte[31]], s_bob = [2, .. new byte[31]];

    private ManualTimeProvider _time = null!;
    private OfferBook _book = null!;
    private WarmPrefixes _prefixes = null!;
    private TestOffers _first = null!, _second = null!;
    private VerifiedOffer _a = null!, _b = null!;

    [SetUp]
    public void Create()
    {
        _time = new ManualTimeProvider();
        (_book, _prefixes) = (new OfferBook(_time), new WarmPrefixes(_time));
        (_first, _second) = (new TestOffers(_time.GetUtcNow()), new TestOffers(_time.GetUtcNow()));
        (_a, _b) = (_first.Sign(_first.Create()), _second.Sign(_second.Create()));
    }

    [TearDown]
    public void Clear()
    {
        _first.Dispose();
        _second.Dispose();
    }

    [Test]
    public void Rank_ConversationThatGoesOn_PrefersWhoReadItsBeginning_WhoeverThatIs([Values] bool isFirst)
    {
        (VerifiedOffer warm, VerifiedOffer cold) = isFirst ? (_a, _b) : (_b, _a);
        JsonArray messages = Messages(("system", Text(4000)), ("user", "Hello"));
        Read(s_alice, Ask(s_alice, messages), warm);
        messages.Add(Message("assistant", "Good morning."));
        messages.Add(Message("user", Text(1000)));
        IReadOnlyList<RankedOffer> ranked = Rank(Ask(s_alice, messages), _a, _b);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ranked.Select(r => r.Offer.Peer), Is.EqualTo(new[] { warm.Peer, cold.Peer }));
            Assert.That(ranked[0].ExpectedCostNanoton, Is.LessThan(ranked[1].ExpectedCostNanoton), "cached tokens cost less");
            Assert.That(ranked[0].ExpectedFirst, Is.LessThan(ranked[1].ExpectedFirst), "and need no reading");
        }
    }

    [Test]
    public void Rank_WarmButDearer_IsChosenOnlyWhileItSavesMoreThanItCosts()
    {
        Offer dear = _first.Create(sequence: 2);
        dear.Prices.Prompt *= 2;
        VerifiedOffer warm = _first.Sign(dear);
        Ask ask = Ask(s_alice, Messages(("user", Text(8000))));
        Read(s_alice, ask, warm);
        Assert.That(Rank(ask, warm, _b)[0].Offer.Peer, Is.EqualTo(warm.Peer), "its cached price is an eighth of its prompt price");
        Ask other = Ask(s_alice, Messages(("user", "Now for something else. " + Text(8000))));
        Assert.That(Rank(other, warm, _b)[0].Offer.Peer, Is.EqualTo(_b.Peer), "another prompt has no business there");
    }

    /// <summary>The cache of an enclave is kept apart by tenant, so nobody's prompt says where another's is to go.</summary>
    [Test]
    public void Find_PromptOfAnotherTenant_IsCold()
    {
        Ask ask = Ask(s_alice, Messages(("user", Text(2000))));
        Read(s_alice, ask, _a);
        Assert.That(Find(s_alice, ask).Keys, Is.EqualTo(new[] { _a.Peer }));
        Assert.That(Find(s_bob, ask), Is.Empty);
    }

    [Test]
    public void Find_AfterTenMinutesOrAnotherBoot_IsCold()
    {
        Ask ask = Ask(s_alice, Messages(("user", Text(2000))));
        Read(s_alice, ask, _a);
        Offer rebooted = _first.Create(sequence: 2);
        rebooted.EvidenceDigest = ByteString.CopyFrom([9, .. new byte[31]]);
        Assert.That(_prefixes.Find(s_alice, Of(ask), [_first.Sign(rebooted)]), Is.Empty, "another boot has an empty cache");
        _time.Advance(TimeSpan.FromMinutes(9));
        Assert.That(Find(s_alice, ask), Has.Count.EqualTo(1));
        Assert.That(_prefixes.LastOf(_a)!.PromptTokens, Is.EqualTo(500));
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.That(Find(s_alice, ask), Is.Empty);
        Assert.That(_prefixes.LastOf(_a), Is.Null);
    }

    /// <summary>Who says that it holds nothing, request after request, is soon ranked as if it did.</summary>
    [Test]
    public void Rank_ProviderThatNeverHeldWhatItShould_LosesItsLead()
    {
        Offer dear = _first.Create(sequence: 2);
        dear.Prices.Prompt = dear.Prices.Prompt * 3 / 2;
        VerifiedOffer warm = _first.Sign(dear);
        Ask ask = Ask(s_alice, Messages(("user", Text(8000))));
        Read(s_alice, ask, warm);
        Assert.That(Rank(ask, warm, _b)[0].Offer.Peer, Is.EqualTo(warm.Peer));
        for (int i = 0; i < 8; i++)
        {
            Read(s_alice, ask, warm, cached: 0);
        }

        Assert.That(_book.History(warm.Peer).CacheYield, Is.LessThan(0.1));
        Assert.That(Rank(ask, warm, _b)[0].Offer.Peer, Is.EqualTo(_b.Peer));
        for (int i = 0; i < 8; i++)
        {
            Read(s_alice, ask, warm, cached: 500);
        }

        Assert.That(Rank(ask, warm, _b)[0].Offer.Peer, Is.EqualTo(warm.Peer), "what it holds later counts again");
    }

    [Test]
    public void Of_ToolsPromptsAndShortOnes_CountWholeBlocksOfWhatComesFirst()
    {
        JsonObject withTools = new() { ["messages"] = Messages(("user", Text(1000))), ["tools"] = new JsonArray(Text(600)) };
        JsonObject otherTools = new() { ["messages"] = Messages(("user", Text(1000))), ["tools"] = new JsonArray("x" + Text(600)) };
        PromptPrefix first = Of(Ask(s_alice, withTools)), other = Of(Ask(s_alice, otherTools));
        Assert.That(first.SharedWith(first), Is.GreaterThan(0.8));
        Assert.That(first.SharedWith(other), Is.Zero, "templates put tools before everything else");
        PromptPrefix text = Of(Ask(s_alice, new JsonObject { ["prompt"] = Text(1024) }, SealedRequest.Types.Endpoint.Completions));
        PromptPrefix more = Of(Ask(s_alice, new JsonObject { ["prompt"] = Text(1024) + Text(1024) }, SealedRequest.Types.Endpoint.Completions));
        Assert.That(more.SharedWith(text), Is.EqualTo(0.5).Within(0.01));
        Assert.That(text.IsContinuedBy(more), Is.True);
        Assert.That(Of(Ask(s_alice, Messages(("user", "Hi")))).Blocks, Is.Zero);
        Assert.That(Of(Ask(s_alice, new JsonObject { ["input"] = Text(4000) }, SealedRequest.Types.Endpoint.Embeddings)).Blocks, Is.Zero);
        Assert.That(Of(Ask(s_alice, Messages(("user", Text(3_000_000))))).Blocks, Is.EqualTo(PromptPrefix.MaxBlocks));
    }

    [Test]
    public void Remember_VeryMany_KeepsTheNewest()
    {
        Ask oldest = Ask(s_alice, Messages(("user", "oldest " + Text(600))));
        Read(s_alice, oldest, _a);
        for (int i = 0; i < 400; i++)
        {
            Read(s_alice, Ask(s_alice, Messages(("user", $"{i} {Text(600)}"))), _a);
        }

        Ask newest = Ask(s_alice, Messages(("user", "399 " + Text(600))));
        Assert.That(Find(s_alice, oldest).GetValueOrDefault(_a.Peer), Is.Zero);
        Assert.That(Find(s_alice, newest)[_a.Peer], Is.GreaterThan(0.7));
        for (int i = 0; i < 32; i++)
        {
            Read(s_alice, Ask(s_alice, Messages(("user", $"{i} {Text(2_000_000)}"))), _b);
        }

        Assert.That(Find(s_alice, newest), Is.Empty, "long prompts take the places of short ones");
    }

    private static PromptPrefix Of(Ask ask) => PromptPrefix.Of(ask.Endpoint, ask.Body.Span);

    private IReadOnlyDictionary<PeerId, double> Find(byte[] tenant, Ask ask) => _prefixes.Find(tenant, Of(ask), [_a, _b]);

    private void Read(byte[] tenant, Ask ask, VerifiedOffer offer, uint cached = 0)
    {
        double held = _prefixes.Remember(tenant, Of(ask), offer, 500, cached);
        _book.History(offer.Peer).RecordCache(held * 500, cached);
    }

    private IReadOnlyList<RankedOffer> Rank(Ask ask, params VerifiedOffer[] offers)
    {
        RouteRequest request = new((uint)ask.Body.Length / 4, 100, AllowOpenTier: true, null, new HashSet<string> { new('0', 64) }, -777)
        {
            Warm = _prefixes.Find(ask.TenantSecret, Of(ask), offers),
        };
        return OfferRanking.Rank(offers, request, _book);
    }

    private static Ask Ask(byte[] tenant, JsonArray messages) => Ask(tenant, new JsonObject { ["model"] = "test-model", ["messages"] = messages.DeepClone() });

    private static Ask Ask(byte[] tenant, JsonObject body, SealedRequest.Types.Endpoint endpoint = SealedRequest.Types.Endpoint.ChatCompletions) => new(
        endpoint, "test-model", Encoding.UTF8.GetBytes(body.ToJsonString()), 100, 1, Shape.Fast, AllowOpenTier: true, null, tenant);

    private static JsonArray Messages(params (string Role, string Text)[] messages) => [.. messages.Select(m => Message(m.Role, m.Text))];

    private static JsonObject Message(string role, string text) => new() { ["role"] = role, ["content"] = text };

    private static string Text(int length) => string.Concat(Enumerable.Range(0, (length / 8) + 1).Select(i => $"{i,7} "))[..length];
}
