using Cocoon.Node.Peers;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Discovery;

/// <summary>
/// Protocol <c>/cocoon/offers/1.0.0</c>: asks a peer for the offers it knows, so that a newcomer need not wait for the next round of gossip.
/// Offers are signed by their providers, so it does not matter who hands them on.
/// </summary>
internal sealed class OfferExchange(ILibp2pHost host, OfferBook book, OwnOffers own, TimeProvider time)
{
    private const int MaxRequest = 256;
    private const int MaxResponse = OfferLimits.MaxPerResponse * OfferLimits.MaxBytes;
    private const int RequestsPerMinute = 120;

    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(5);

    private readonly PeerRate _rate = new(RequestsPerMinute, time);

    public void Start() => host.Handle(OfferTopics.FetchProtocol, HandleAsync);

    public void Stop() => host.Unhandle(OfferTopics.FetchProtocol);

    /// <param name="modelId">Empty for every model.</param>
    /// <exception cref="IOException">The peer was not reached, or answered nonsense.</exception>
    public async Task<IReadOnlyList<ReadOnlyMemory<byte>>> FetchAsync(PeerId peer, ReadOnlyMemory<byte> modelId, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(Wait, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            await using IPeerStream stream = await host.OpenStreamAsync(peer, [OfferTopics.FetchProtocol], linked.Token);
            await LengthPrefixed.WriteAsync(stream, new OffersRequest { ModelId = ByteString.CopyFrom(modelId.Span) }, linked.Token);
            OffersResponse? response = await LengthPrefixed.ReadAsync(stream, OffersResponse.Parser, MaxResponse, linked.Token);
            await stream.CloseWriteAsync(linked.Token);
            return response is null ? [] : [.. response.Offers.Take(OfferLimits.MaxPerResponse).Select(o => o.Memory)];
        }
        catch (Libp2pException exception)
        {
            throw new IOException("The peer's offers could not be read.", exception);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException("The peer did not answer in time.");
        }
    }

    private async Task HandleAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(Wait, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        OffersRequest? request = await LengthPrefixed.ReadAsync(stream, OffersRequest.Parser, MaxRequest, linked.Token);
        if (request is null || !_rate.TryTake(stream.RemotePeer, PeerOwner.Of(host, stream.RemotePeer)))
        {
            stream.Reset();
            return;
        }

        OffersResponse response = new();
        foreach (VerifiedOffer mine in own.Current.Where(o => request.ModelId.IsEmpty || request.ModelId == o.Offer.ModelId).Take(OfferLimits.MaxPerResponse))
        {
            response.Offers.Add(UnsafeByteOperations.UnsafeWrap(mine.Signed));
        }

        IEnumerable<VerifiedOffer> known = request.ModelId.IsEmpty ? book.All() : book.ForModel(Convert.ToHexStringLower(request.ModelId.Span));
        foreach (VerifiedOffer offer in known.Where(o => o.Peer != host.LocalPeer).Take(OfferLimits.MaxPerResponse - response.Offers.Count))
        {
            response.Offers.Add(UnsafeByteOperations.UnsafeWrap(offer.Signed));
        }

        await LengthPrefixed.WriteAsync(stream, response, linked.Token);
        await stream.CloseWriteAsync(linked.Token);
    }
}
