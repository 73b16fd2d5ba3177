using Cocoon.Node.Serving;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Serving;

public sealed class ImpliedOfferTests
{
    private static readonly MeasuredRate[] Rates = [new(1, 500, 100), new(2, 520, 150), new(4, 530, 180), new(8, 540, 185)];

    [TestCase(64, 4)]
    [TestCase(3, 2)]
    [TestCase(1, 1)]
    public void Slots_AreAsManyAsMakeItFasterAndFit(int fit, int slots) => Assert.That(ImpliedOffer.Of(Rates, fit, null).Slots, Is.EqualTo(slots));

    [Test]
    public void Prices_FromWhatAnHourHasToBring_BringIt()
    {
        ImpliedOffer offer = ImpliedOffer.Of(Rates, 64, perHour: 0.05m);
        double answersPerHour = 180 * 3600 * AutoPrice.Target, promptsPerHour = 530 * 3600 * AutoPrice.Target;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(offer.Prices.Completion * answersPerHour / 1e6, Is.EqualTo(0.05e9).Within(0.01).Percent);
            Assert.That(offer.Prices.Prompt * promptsPerHour / 1e6, Is.EqualTo(0.05e9).Within(0.01).Percent);
            Assert.That(offer.Prices.Cached, Is.LessThan(offer.Prices.Prompt).And.GreaterThan(0));
            Assert.That(offer.NanotonPerBusyHour, Is.EqualTo(50_000_000).Within(1).Percent);
        }
    }

    [Test]
    public void Prices_Unasked_AreThoseOfCocoonUp()
    {
        ModelServingOptions up = new();
        ImpliedOffer offer = ImpliedOffer.Of(Rates, 64, null);
        Assert.That((offer.Prices.Prompt, offer.Prices.Cached, offer.Prices.Completion), Is.EqualTo((up.PricePrompt, up.PriceCached, up.PriceCompletion)));
    }

    [Test]
    public void EmbeddingModel_HasNoAnswers_AndIsOfferedByItsPrefill()
    {
        ImpliedOffer offer = ImpliedOffer.Of([new(1, 1000, 0), new(4, 3000, 0)], 64, 0.05m);
        Assert.That((offer.Slots, offer.Prices.Completion), Is.EqualTo((4, 0UL)));
        Assert.That(offer.NanotonPerBusyHour, Is.EqualTo(50_000_000).Within(1).Percent);
    }
}
