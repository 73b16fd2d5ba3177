using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.PrivacyRelay.Proto;

namespace Cocoon.Node.PrivacyRelay;

/// <summary>Streams directly, or through as many privacy relays as were asked for; relays that fail are replaced.</summary>
internal sealed partial class RelayedStreams(ILibp2pHost host, RelayPicker picker, RelayFloor floor, ILogger<RelayedStreams> logger) : IProviderStreams
{
    private const int Attempts = 3;

    private readonly DirectStreams _direct = new(host);

    public int LeastRelays => floor.Value;

    public async ValueTask<ProviderStream> OpenAsync(
        PeerId provider, IReadOnlyList<Multiaddr> addresses, string protocol, int relays, CancellationToken cancellationToken)
    {
        int count = Math.Max(relays, floor.Value);
        return count == 0
            ? await _direct.OpenAsync(provider, addresses, protocol, relays, cancellationToken)
            : await OpenCircuitAsync(new CircuitHop(provider, addresses), protocol, count, cancellationToken);
    }

    private async ValueTask<ProviderStream> OpenCircuitAsync(CircuitHop target, string protocol, int count, CancellationToken cancellationToken)
    {
        HashSet<PeerId> failed = [];
        for (int attempt = 1; ; attempt++)
        {
            IReadOnlyList<CircuitHop> relays = picker.Pick(count, target.Peer, failed);

            // Not before: a request for which there were no relays went nowhere, and must not bind those that come after it.
            if (floor.RaiseTo(count))
            {
                Log.FloorRaised(logger, count);
            }

            try
            {
                IPeerStream stream = await Circuit.OpenAsync(host, relays, target, protocol, cancellationToken);
                return new ProviderStream(stream, [.. relays.Select(r => r.Peer)]);
            }
            catch (CircuitException exception) when (attempt < Attempts && exception.Hop != target.Peer)
            {
                Log.RelayFailed(logger, exception.Status);
                failed.Add(exception.Hop);

                // The last relay could not reach the provider: that may be either's fault, so another relay tries once more.
            }
            catch (IOException exception) when (attempt < Attempts && exception is not CircuitException)
            {
                Log.RelayFailed(logger, OpenStatus.OpenUnreachable);
                failed.Add(relays[0].Peer);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1512, LogLevel.Warning, "From now on every request of this data directory goes over {Relays} privacy relays at least. A provider that was asked or paid without them knows this address, and recognises the channel and the wallet: for one that should not, use a data directory and a wallet of their own")]
        public static partial void FloorRaised(ILogger logger, int relays);

        [LoggerMessage(1511, LogLevel.Debug, "A privacy relay failed ({Status}); trying another")]
        public static partial void RelayFailed(ILogger logger, OpenStatus status);
    }
}
