using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Asks one peer one thing: a stream per request.</summary>
internal sealed class KadRpc(ILibp2pHost host, KadOptions options, TimeProvider time)
{
    /// <exception cref="IOException">No connection, reset, or no answer in time.</exception>
    /// <exception cref="KadException">The answer is no message of the DHT, or not for this request.</exception>
    public async ValueTask<KadMessage> AskAsync(PeerId peer, KadMessage request, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(options.RequestTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await using IPeerStream stream = await host.OpenStreamAsync(peer, [options.Protocol], either.Token);

            // No half-close before the answer: js-libp2p takes it for the end of the exchange.
            await LengthPrefixed.WriteAsync(stream, KadMessageWriter.Write(request), either.Token);
            byte[] answer = await LengthPrefixed.ReadAsync(stream, options.MaxMessageBytes, either.Token)
                ?? throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The peer closed the stream instead of answering.");
            await stream.CloseWriteAsync(either.Token);
            KadMessage message = KadMessageReader.Read(answer);
            return message.Type == request.Type ? message : throw new KadException(KadErrorCode.UnknownType);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new Libp2pException(Libp2pErrorCode.TimedOut, "The peer did not answer in time.", exception);
        }
    }

    /// <summary>Sends what is not answered (ADD_PROVIDER) and waits until the peer has read it to its end.</summary>
    /// <exception cref="IOException">No connection, or reset.</exception>
    public async ValueTask TellAsync(PeerId peer, KadMessage message, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(options.RequestTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await using IPeerStream stream = await host.OpenStreamAsync(peer, [options.Protocol], either.Token);
            await LengthPrefixed.WriteAsync(stream, KadMessageWriter.Write(message), either.Token);
            await stream.CloseWriteAsync(either.Token);
            await LengthPrefixed.ReadAsync(stream, options.MaxMessageBytes, either.Token);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new Libp2pException(Libp2pErrorCode.TimedOut, "The peer did not close the stream in time.", exception);
        }
    }
}
