using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Discovery;

/// <summary>Finds offers of a model: from the book, else by asking peers and the DHT.</summary>
internal interface IOfferFinder
{
    /// <summary>Unexpired offers, as soon as there is one, or empty after <paramref name="wait"/>.</summary>
    Task<IReadOnlyList<VerifiedOffer>> FindAsync(string model, TimeSpan wait, CancellationToken cancellationToken);
}
