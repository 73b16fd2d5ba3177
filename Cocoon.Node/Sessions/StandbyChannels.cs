using Cocoon.Node.Discovery;
using Cocoon.Node.Payments;
using Cocoon.Node.Routing;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Sessions;

/// <summary>Keeps one more channel, to another provider, for each model that is asked often: failover then waits for no block.</summary>
/// <remarks>Within the owner's limits on openings and deposits; a provider that takes over at the same payout would be no second one.</remarks>
internal sealed partial class StandbyChannels(
    OfferBook book, ClientChannels channels, RouteTerms terms, SpendOptions spending, IOptions<ClientOptions> options, TimeProvider time, ILogger<StandbyChannels> logger)
    : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>After a refusal: money or limits do not change by the second.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(10);

    private DateTimeOffset _notBefore;

    /// <summary>One look; opens at most one channel.</summary>
    /// <returns>The channel that was opened, or <c>null</c>.</returns>
    public async Task<ClientChannel?> LookAsync(CancellationToken cancellationToken)
    {
        if (spending.StandbyAfter == 0 || time.GetUtcNow() < _notBefore || FindWanted() is not { } offer)
        {
            return null;
        }

        try
        {
            ClientChannel channel = await channels.GetOrOpenAsync(ProviderTermsReader.From(offer, terms), need: 1, cancellationToken);
            Log.Opened(logger, offer.Peer, offer.Offer.ModelName);
            return channel;
        }
        catch (PaymentException exception)
        {
            _notBefore = time.GetUtcNow() + Pause;
            Log.NotOpened(logger, exception.Message);
            return null;
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using PeriodicTimer timer = new(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await LookAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>The best other offer of a model that is asked often and has no second channel yet.</summary>
    private VerifiedOffer? FindWanted()
    {
        foreach (PeerId used in channels.OftenUsed(spending.StandbyAfter))
        {
            foreach (VerifiedOffer first in book.All().Where(o => o.Peer == used))
            {
                RouteRequest route = new(128, 256, options.Value.AllowOpenTier, null, terms.ChannelCodeHashes, terms.GlobalId);
                VerifiedOffer[] others =
                [
                    .. OfferRanking.Rank(book.ForModel(first.ModelIdHex), route, book)
                        .Where(r => r.Rejection is null && r.Offer.Peer != used && r.Offer.Offer.Payout != first.Offer.Payout)
                        .Select(r => r.Offer),
                ];
                if (others.Length > 0 && !channels.Channels.Any(c => c.Phase is ChannelPhase.Open or ChannelPhase.Opening && others.Any(o => o.Peer == c.Peer)))
                {
                    return others[0];
                }
            }
        }

        return null;
    }

    private static partial class Log
    {
        [LoggerMessage(2101, LogLevel.Information, "Standby channel to {Peer} for model {Model}")]
        public static partial void Opened(ILogger logger, PeerId peer, string model);

        [LoggerMessage(2102, LogLevel.Debug, "No standby channel: {Why}")]
        public static partial void NotOpened(ILogger logger, string why);
    }
}
