namespace Cocoon.Node.Discovery;

/// <summary>On which ways an offer came. Whoever controls one of them can hide providers; whoever controls all of them is harder to be.</summary>
[Flags]
internal enum OfferSource
{
    /// <summary>Our own offer.</summary>
    None = 0,

    Gossip = 1,

    /// <summary>Asked of a provider that the DHT named.</summary>
    Dht = 2,

    /// <summary>Asked of a peer that we were connected to anyway, such as one of an earlier run.</summary>
    Peers = 4,
}
