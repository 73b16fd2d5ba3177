using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Answers other peers' requests; only in server mode.</summary>
/// <remarks>A violation or an exceeded rate resets the stream.</remarks>
internal sealed partial class KadServer(
    ILibp2pHost host, DirectAddresses connected, KadOptions options, RoutingTable table, ProviderStore providers, RecordStore records, TimeProvider time, ILogger logger)
{
    private readonly RateLimiter<PeerId> _requests = new(options.RequestsPerSecond, options.RequestBurst, time);
    private readonly RateLimiter<PeerId> _stores = new(options.StoresPerSecond, options.StoreBurst, time);
    private readonly RateLimiter<string> _networkRequests = new(4 * options.RequestsPerSecond, 4 * options.RequestBurst, time);

    public async Task ServeAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        try
        {
            while (await ReadAsync(stream, cancellationToken) is { } request)
            {
                CheckRate(stream.RemotePeer, request.Type);
                if (Answer(stream.RemotePeer, request) is { } answer)
                {
                    await LengthPrefixed.WriteAsync(stream, KadMessageWriter.Write(answer), cancellationToken);
                }
            }
        }
        catch (Exception exception) when (exception is KadException or IOException)
        {
            Log.Refused(logger, stream.RemotePeer, exception.Message);
            stream.Reset();
        }
    }

    /// <summary>The answer to a request of <paramref name="sender"/>; <c>null</c> where the protocol has none.</summary>
    /// <exception cref="KadException">The request is refused.</exception>
    public KadMessage? Answer(PeerId sender, KadMessage request)
    {
        if (request.Key.IsEmpty && request.Type != KadMessageType.Ping)
        {
            throw new KadException(KadErrorCode.KeyMissing);
        }

        switch (request.Type)
        {
            case KadMessageType.FindNode:
                return new KadMessage(request.Type) { Key = request.Key, CloserPeers = FindNode(sender, request.Key.Span) };
            case KadMessageType.GetValue:
                return new KadMessage(request.Type)
                {
                    Key = request.Key,
                    Record = records.Get(request.Key.Span),
                    CloserPeers = Closest(sender, request.Key.Span),
                };
            case KadMessageType.GetProviders:
                return new KadMessage(request.Type)
                {
                    Key = request.Key,
                    ProviderPeers = [.. providers.Get(request.Key.Span).Select(Shareable)],
                    CloserPeers = Closest(sender, request.Key.Span),
                };
            case KadMessageType.PutValue:
                PutValue(sender, request);
                return request;
            case KadMessageType.AddProvider:
                AddProvider(sender, request);
                return null;
            default:
                return request;
        }
    }

    private async ValueTask<KadMessage?> ReadAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(options.RequestTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            byte[]? frame = await LengthPrefixed.ReadAsync(stream, options.MaxMessageBytes, either.Token);
            return frame is null ? null : KadMessageReader.Read(frame);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new Libp2pException(Libp2pErrorCode.TimedOut, "No request came on the stream.", exception);
        }
    }

    private void CheckRate(PeerId sender, KadMessageType type)
    {
        bool store = type is KadMessageType.PutValue or KadMessageType.AddProvider;
        string? network = connected.Get(sender) is { } address ? IpGroups.Narrow(address) : null;
        if (!_requests.TryTake(sender) || (store && !_stores.TryTake(sender)) || (network is not null && !_networkRequests.TryTake(network)))
        {
            throw new KadException(KadErrorCode.RateExceeded);
        }
    }

    private List<KadPeer> FindNode(PeerId sender, ReadOnlySpan<byte> key)
    {
        List<KadPeer> closest = Closest(sender, key);
        if (!PeerId.TryFromBytes(key, out PeerId? target) || target == sender || closest.Any(peer => peer.Peer == target))
        {
            return closest;
        }

        // The target itself first, also when it is no server, if we know where it is.
        KadPeer? found = target == host.LocalPeer
            ? Shareable(new KadPeer(target, host.Addresses))
            : connected.Get(target) is not null ? Shareable(new KadPeer(target, host.GetAddresses(target))) : null;
        if (found is { Addresses.Count: > 0 })
        {
            closest.Insert(0, found);
        }

        return closest;
    }

    private List<KadPeer> Closest(PeerId sender, ReadOnlySpan<byte> key)
    {
        List<KadPeer> answer = [];
        foreach (PeerId peer in table.Closest(KadId.Of(key), options.BucketSize + 1))
        {
            if (peer != sender && answer.Count < options.BucketSize
                && Shareable(new KadPeer(peer, host.GetAddresses(peer))) is { Addresses.Count: > 0 } shared)
            {
                answer.Add(shared);
            }
        }

        return answer;
    }

    private KadPeer Shareable(KadPeer peer) =>
        peer with { Addresses = [.. peer.Addresses.Where(address => IpGroups.IsShareable(address, options.AllowLocalAddresses))] };

    private string? GroupOf(PeerId sender) => connected.Get(sender) is { } address ? IpGroups.Wide(address) : null;

    private void PutValue(PeerId sender, KadMessage request)
    {
        if (request.Record is not { } record || !record.Key.Span.SequenceEqual(request.Key.Span))
        {
            throw new KadException(KadErrorCode.RecordMismatch);
        }

        if (record.Value.Length > options.MaxValueBytes)
        {
            throw new KadException(KadErrorCode.ValueTooLong);
        }

        if (!records.Put(record.Key.Span, record.Value.Span, GroupOf(sender)))
        {
            throw new KadException(KadErrorCode.ValueRefused);
        }
    }

    private void AddProvider(PeerId sender, KadMessage request)
    {
        if (!Multihash.TryRead(request.Key.Span, out _, out _))
        {
            throw new KadException(KadErrorCode.Malformed);
        }

        bool stored = false;
        foreach (KadPeer provider in request.ProviderPeers)
        {
            List<Multiaddr> addresses =
            [
                .. provider.Addresses.Where(address => IpGroups.IsShareable(address, options.AllowLocalAddresses)).Take(KadMessageWriter.MaxAddresses),
            ];
            if (provider.Peer == sender && addresses.Count > 0)
            {
                stored |= providers.Add(request.Key.Span, sender, addresses, GroupOf(sender));
                host.AddAddresses(sender, addresses, options.ProviderAddressTimeToLive);
            }
        }

        if (!stored)
        {
            throw new KadException(KadErrorCode.ForeignProvider);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3221, LogLevel.Debug, "DHT request of {Peer} refused: {Reason}")]
        public static partial void Refused(ILogger logger, PeerId peer, string reason);
    }
}
