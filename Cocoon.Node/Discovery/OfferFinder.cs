using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Discovery;

/// <summary>Finds offers of a model: book first, then connected peers and the DHT's provider records, until one is there.</summary>
internal sealed partial class OfferFinder(
    ILibp2pHost host, OfferBook book, ModelDirectory directory, OfferGossip gossip, OfferExchange exchange, IProviderLookup lookup, TimeProvider time,
    ILogger<OfferFinder> logger) : IOfferFinder
{
    private const int MaxPeersAsked = 8;
    private const int MaxProvidersAsked = 20;

    /// <summary>Models that a node follows although nobody here has asked for them, so that lists are not empty.</summary>
    private const int MaxFollowed = 16;

    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(500);

    public async Task<IReadOnlyList<VerifiedOffer>> FindAsync(string model, TimeSpan wait, CancellationToken cancellationToken)
    {
        if (book.ForName(model) is { Count: > 0 } known)
        {
            return known;
        }

        using CancellationTokenSource timeout = new(wait, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            while (true)
            {
                await SearchAsync(model, linked.Token);
                if (book.ForName(model) is { Count: > 0 } found)
                {
                    return found;
                }

                await Task.Delay(Round, time, linked.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return book.ForName(model);
        }
    }

    /// <summary>One round: ask connected peers, then the providers that the DHT names; joins the gossip of what was found.</summary>
    public async Task SearchAsync(string? model, CancellationToken cancellationToken)
    {
        byte[] id = model is { Length: 64 } && IsHex(model) ? Convert.FromHexString(model) : [];
        await Task.WhenAll(host.Connections.Select(c => c.Peer).Distinct().Take(MaxPeersAsked).Select(p => FetchAsync(p, id, cancellationToken)));
        HashSet<string> ids = [.. book.All().Where(o => model is null || o.Offer.ModelName == model || o.ModelIdHex == model).Select(o => o.ModelIdHex)];
        ids.UnionWith((model is null ? directory.Popular(MaxFollowed) : directory.Find(model)).Select(Convert.ToHexStringLower));

        if (id.Length > 0)
        {
            ids.Add(model!);
        }

        await Task.WhenAll(ids.Take(MaxFollowed).Select(hex => FollowAsync(Convert.FromHexString(hex), cancellationToken)));
    }

    private async Task FollowAsync(byte[] modelId, CancellationToken cancellationToken)
    {
        await gossip.JoinModelAsync(modelId, cancellationToken);
        List<Task> asking = [];
        await foreach (PeerId provider in lookup.FindProvidersAsync(OfferTopics.ProviderKey(modelId), cancellationToken))
        {
            if (provider != host.LocalPeer && asking.Count < MaxProvidersAsked)
            {
                asking.Add(FetchAsync(provider, modelId, cancellationToken));
            }
        }

        await Task.WhenAll(asking);
    }

    private async Task FetchAsync(PeerId peer, ReadOnlyMemory<byte> modelId, CancellationToken cancellationToken)
    {
        try
        {
            foreach (ReadOnlyMemory<byte> offer in await exchange.FetchAsync(peer, modelId, cancellationToken))
            {
                gossip.Add(offer);
            }
        }
        catch (IOException)
        {
            Log.PeerDidNotAnswer(logger, peer);
        }
    }

    private static bool IsHex(string text) => text.All(char.IsAsciiHexDigitLower);

    private static partial class Log
    {
        [LoggerMessage(1201, LogLevel.Debug, "Peer {Peer} did not tell its offers")]
        public static partial void PeerDidNotAnswer(ILogger logger, PeerId peer);
    }
}
