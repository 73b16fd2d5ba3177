using System.Collections.Concurrent;
using System.Threading.Channels;
using Cocoon.Node.Discovery;
using Cocoon.Node.Hosting;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Mdns;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Peers;

/// <summary>Connects to peers of this network that announce themselves on the local one, and announces this node there.</summary>
internal sealed partial class LanDiscovery(NodeOptions options, PeerNetwork network, NetworkName name, TimeProvider time, ILoggerFactory loggers) : BackgroundService
{
    /// <summary>Peers remembered, and how long one is left alone after an attempt: the local network is full of strangers too.</summary>
    private const int MaxRemembered = 256, MaxAddressesDialled = 4, MaxWaiting = 64;

    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1), DialTime = TimeSpan.FromSeconds(5);

    private readonly ILogger<LanDiscovery> _logger = loggers.CreateLogger<LanDiscovery>();
    private readonly Channel<(LanPeer? Heard, PeerId? Foreign)> _work = Channel.CreateBounded<(LanPeer? Heard, PeerId? Foreign)>(new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly ConcurrentDictionary<PeerId, DateTimeOffset> _seen = new();

    /// <summary>Interfaces that discovery runs on; empty when it is off.</summary>
    public IReadOnlyList<string> Interfaces { get; private set; } = [];

    /// <summary>Peers heard so far, as many as are remembered.</summary>
    public int PeersHeard => _seen.Count;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!IsWanted())
        {
            return;
        }

        await using MdnsDiscovery discovery = new(new MdnsOptions(), network.Host.LocalPeer, () => network.Host.ListenEndPoints, time, _logger);
        discovery.Found += peer => _work.Writer.TryWrite((peer, null));
        network.Host.PeerChanged += OnPeer;
        discovery.Start();
        Interfaces = discovery.Interfaces;
        try
        {
            await foreach ((LanPeer? heard, PeerId? foreign) in _work.Reader.ReadAllAsync(stoppingToken))
            {
                if (heard is not null && ShouldDial(heard))
                {
                    await DialAsync(heard, stoppingToken);
                }

                if (foreign is not null)
                {
                    Log.NotOurs(_logger, foreign);
                    await network.Host.DisconnectAsync(foreign);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
        finally
        {
            network.Host.PeerChanged -= OnPeer;
        }
    }

    /// <summary>A node that listens on loopback alone is for this machine; a throwaway peer was told whom to ask.</summary>
    private bool IsWanted() => options is { UsesMdns: true, Role: not NodeRole.Observer }
        && (network.Host.ListenEndPoints.Count == 0 ? options.Listen.Count == 0 : network.Host.ListenEndPoints.Any(e => !System.Net.IPAddress.IsLoopback(e.Address)));

    private bool ShouldDial(LanPeer peer)
    {
        DateTimeOffset now = time.GetUtcNow();
        if (network.Host.Connections.Any(c => c.Peer == peer.Peer) || (_seen.TryGetValue(peer.Peer, out DateTimeOffset next) && now < next))
        {
            return false;
        }

        foreach (PeerId old in _seen.Count >= MaxRemembered ? _seen.OrderBy(s => s.Value).Take(_seen.Count - MaxRemembered + 1).Select(s => s.Key).ToArray() : [])
        {
            _seen.TryRemove(old, out _);
        }

        _seen[peer.Peer] = now + Pause;
        return true;
    }

    private async Task DialAsync(LanPeer peer, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(DialTime, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        foreach (Multiaddr address in peer.Addresses.Take(MaxAddressesDialled))
        {
            try
            {
                await network.Host.ConnectAsync(address.WithPeer(peer.Peer), either.Token);
                Log.Found(_logger, peer.Peer, address.ToString());
                await network.LearnNeighboursAsync(cancellationToken);
                return;
            }
            catch (IOException exception)
            {
                Log.NotReached(_logger, peer.Peer, exception.Message);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Other libp2p programs answer on the local network too; they are not kept.</summary>
    private void OnPeer(PeerEvent change)
    {
        if (change is PeerEvent.Identified identified
            && _seen.ContainsKey(change.Peer)
            && !identified.Protocols.Contains(OfferTopics.KademliaProtocol(name.Value))
            && !identified.Protocols.Contains(OfferTopics.FetchProtocol))
        {
            _work.Writer.TryWrite((null, change.Peer));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1011, LogLevel.Information, "Found {Peer} on the local network at {Address}")]
        public static partial void Found(ILogger logger, PeerId peer, string address);

        [LoggerMessage(1012, LogLevel.Debug, "Peer {Peer} of the local network was not reached: {Why}")]
        public static partial void NotReached(ILogger logger, PeerId peer, string why);

        [LoggerMessage(1013, LogLevel.Debug, "Peer {Peer} of the local network is none of ours")]
        public static partial void NotOurs(ILogger logger, PeerId peer);
    }
}
