using Cocoon.Node.Hosting;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Libp2p;

namespace Cocoon.Node.Discovery;

/// <summary>Announces what this node serves: each model at start, every 15 s, on change, and takes it back when it stops.</summary>
/// <remarks>All models together change at most once a second, which is what a signer is allowed.</remarks>
internal sealed class OfferPublisher(
    ILibp2pHost host, OfferedModels models, ServingSwitch serving, OfferWriting writing, OwnOffers own, OfferBook book, OfferGossip gossip,
    DirectoryPublisher directory, IProviderLookup lookup, TimeProvider time, ILogger<OfferPublisher> logger) : BackgroundService
{
    private static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(1);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => RunAsync(stoppingToken);

    /// <summary>The service itself, until it is cancelled; the simulator runs it without a host of services.</summary>
    internal async Task RunAsync(CancellationToken stoppingToken)
    {
        ModelAnnouncer[] announcers =
        [
            .. models.All.Select(model => new ModelAnnouncer(
                model, serving, writing, own, book, gossip, directory, lookup, MinInterval * models.All.Count, time, logger)),
        ];
        void OnChanged()
        {
            foreach (ModelAnnouncer announcer in announcers)
            {
                announcer.Nudge();
            }
        }

        serving.Changed += OnChanged;
        Libp2pHost? real = host as Libp2pHost;
        if (real is not null)
        {
            real.AddressesChanged += OnChanged;
        }

        try
        {
            await RestartingLoops.RunAsync(
                announcers.Select((announcer, i) => ($"announcing {models.All[i].Name ?? $"model {i + 1}"}", (Func<CancellationToken, Task>)announcer.RunAsync)), logger, time, stoppingToken);
        }
        finally
        {
            serving.Changed -= OnChanged;
            if (real is not null)
            {
                real.AddressesChanged -= OnChanged;
            }
        }
    }
}
