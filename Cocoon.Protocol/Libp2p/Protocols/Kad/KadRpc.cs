using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Asks one peer one thing: a stream per request.</summary>
internal sealed class KadRpc(ILibp2pHost host, KadOptions options, TimeProvider time)
{
    /// <exception cref="IOException">No connection, reset, or no answer in time.</exception>
    /// <exception cref="KadException">The answer is no message of the DHT, or not for this request.</exception>
    public ValueTask<KadMessage> AskAsync(PeerId peer, KadMessage request, CancellationToken cancellationToken) =>
        ExchangeAsync(peer, [request], cancellationToken);

    /// <summary>Sends an ADD_PROVIDER, which has no answer, and asks on the same stream who provides the key: messages are served in their order.</summary>
    /// <returns>Whether the peer now names <paramref name="provider"/> to those who ask.</returns>
    /// <exception cref="IOException">No connection, reset, or no answer in time.</exception>
    /// <exception cref="KadException">The answer is no message of the DHT, or not for this request.</exception>
    public async ValueTask<bool> AnnounceAsync(PeerId peer, KadMessage announcement, PeerId provider, CancellationToken cancellationToken)
    {
        KadMessage answer = await ExchangeAsync(peer, [announcement, new KadMessage(KadMessageType.GetProviders) { Key = announcement.Key }], cancellationToken);
        return answer.ProviderPeers.Any(named => named.Peer == provider);
    }

    /// <summary>Sends the messages, of which only the last one has an answer, and reads that.</summary>
    private async ValueTask<KadMessage> ExchangeAsync(PeerId peer, IReadOnlyList<KadMessage> messages, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(options.RequestTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await using IPeerStream stream = await host.OpenStreamAsync(peer, [options.Protocol], either.Token);
            foreach (KadMessage message in messages)
            {
                await LengthPrefixed.WriteAsync(stream, KadMessageWriter.Write(message), either.Token);
            }

            // No half-close before the answer: js-libp2p takes it for the end of the exchange.
            byte[] bytes = await LengthPrefixed.ReadAsync(stream, options.MaxMessageBytes, either.Token)
                ?? throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The peer closed the stream instead of answering.");
            await stream.CloseWriteAsync(either.Token);
            KadMessage answer = KadMessageReader.Read(bytes);
            return answer.Type == messages[^1].Type ? answer : throw new KadException(KadErrorCode.UnknownType);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new Libp2pException(Libp2pErrorCode.TimedOut, "The peer did not answer in time.", exception);
        }
    }
}
