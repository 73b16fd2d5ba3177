using Cocoon.Node.Hosting;
using Cocoon.Node.Routing;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Discovery;

/// <summary>Reads the bonds that offers name, one at a time and seldom, and gives their providers the place in the book that a stake earns.</summary>
/// <remarks>What is read is as good as the chain client: proven with lite-servers. Whether it counts <see cref="BondJudgement"/> says.</remarks>
internal sealed partial class BondReader(
    BondedProviders bonds, OfferBook book, ITonClient chain, RouteTerms terms, TimeProvider time, ILogger<BondReader> logger) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => RestartingLoops.RunAsync([("reading bonds", RunAsync)], logger, time, stoppingToken);

    private async Task RunAsync(CancellationToken stoppingToken)
    {
        using PeriodicTimer timer = new(BondJudgement.ReadInterval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            await ReadNextAsync(stoppingToken);
        }
    }

    /// <summary>At most one reading of the chain; statements that do not hold cost none.</summary>
    internal async Task ReadNextAsync(CancellationToken cancellationToken)
    {
        while (bonds.TakeNext() is { } offer)
        {
            if (!PriceStatement.TryGetBond(offer, out TonAddress address, out Ed25519PublicKey? key))
            {
                bonds.Record(offer.Peer, isBonded: false);
                continue;
            }

            try
            {
                bonds.Record(offer.Peer, BondJudgement.Fault(await chain.GetAccountAsync(address, cancellationToken), key, terms.GlobalId) is null);
            }
            catch (TonException failure)
            {
                // Nothing was learned: the next refresh of the offer brings it back.
                Log.Unreadable(logger, failure.Message);
                return;
            }

            if (bonds.IsBonded(offer.Peer))
            {
                book.Add(offer);
            }

            return;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1210, LogLevel.Debug, "A bond could not be read: {Detail}")]
        public static partial void Unreadable(ILogger logger, string detail);
    }
}
