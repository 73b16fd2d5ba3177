using System.Threading.Channels;
using Cocoon.Node.Hosting;
using Cocoon.Protocol.Libp2p;

namespace Cocoon.Node.Discovery;

/// <summary>
/// Keeps this node informed: joins the directory, answers and asks for offers, and follows the models it hears of. It searches soon
/// after peers come or go and whenever the directory changes, else from time to time.
/// </summary>
internal sealed class OfferFollower(
    NodeOptions node, ILibp2pHost host, ModelDirectory directory, OfferGossip gossip, OfferExchange exchange, OfferFinder finder, ModelNeighbours neighbours,
    TimeProvider time, ILogger<OfferFollower> logger) : BackgroundService
{
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(10);

    private readonly Channel<bool> _news = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => RunAsync(stoppingToken);

    /// <summary>The service itself, until it is cancelled; the simulator runs it without a host of services.</summary>
    internal Task RunAsync(CancellationToken stoppingToken) =>
        RestartingLoops.RunAsync([("following offers", FollowAsync), ("keeping neighbours that have offers", neighbours.RunAsync)], logger, time, stoppingToken);

    private async Task FollowAsync(CancellationToken stoppingToken)
    {
        exchange.Start();
        directory.Changed += OnNews;
        host.PeerChanged += OnPeer;
        try
        {
            await gossip.JoinDirectoryAsync(stoppingToken);
            while (true)
            {
                if (host.Connections.Count > 0 && node.Role != NodeRole.Provider)
                {
                    await finder.LookAroundAsync(stoppingToken);
                }

                await WaitForNewsAsync(stoppingToken);
                await Task.Delay(Settle, time, stoppingToken);
            }
        }
        finally
        {
            exchange.Stop();
            directory.Changed -= OnNews;
            host.PeerChanged -= OnPeer;
        }
    }

    private async Task WaitForNewsAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource calm = new(Calm, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, calm.Token);
        try
        {
            await _news.Reader.ReadAsync(linked.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // No news: look all the same.
        }
    }

    private void OnNews() => _news.Writer.TryWrite(true);

    private void OnPeer(PeerEvent change)
    {
        if (change is PeerEvent.Identified)
        {
            OnNews();
        }
    }
}
