using Cocoon.Node.Hosting;
using Cocoon.Protocol.Libp2p;

namespace Cocoon.Node.Discovery;

/// <summary>Keeps this node informed: joins the directory, answers and asks for offers, and follows the models it has heard of.</summary>
internal sealed class OfferFollower(NodeOptions node, ILibp2pHost host, OfferGossip gossip, OfferExchange exchange, OfferFinder finder, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Eager = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(30);

    /// <summary>Rounds right after the first peers came, when the network may still be assembling.</summary>
    private const int EagerRounds = 10;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        exchange.Start();
        try
        {
            await gossip.JoinDirectoryAsync(stoppingToken);
            for (int round = 0; ; round++)
            {
                if (host.Connections.Count == 0)
                {
                    round = 0;
                }
                else if (node.Role != NodeRole.Provider)
                {
                    await finder.SearchAsync(model: null, stoppingToken);
                }

                await Task.Delay(round < EagerRounds ? Eager : Calm, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            exchange.Stop();
        }
    }
}
