using Cocoon.Node.Discovery;
using Cocoon.Node.Hosting;
using Cocoon.Node.Routing;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Serving;

/// <summary>Tells the owner, once the chain can be read, whether clients will count the stake that this node's offers name.</summary>
internal sealed partial class OwnBond(TonAddress bond, NodeIdentity identity, ITonClient chain, RouteTerms terms, TimeProvider time, ILogger<OwnBond> logger) : BackgroundService
{
    private static readonly TimeSpan Retry = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                string? fault = BondJudgement.Fault(await chain.GetAccountAsync(bond, stoppingToken), identity.Key.PublicKey, terms.GlobalId);
                if (fault is null)
                {
                    Log.Counts(logger, bond.ToFriendly(bounceable: true));
                }
                else
                {
                    Log.DoesNotCount(logger, bond.ToFriendly(bounceable: true), fault);
                }

                return;
            }
            catch (TonException failure)
            {
                Log.Unreadable(logger, failure.Message);
            }

            await Task.Delay(Retry, time, stoppingToken);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1311, LogLevel.Information, "The stake {Bond} is this node's: its offers keep a place in books that are full of strangers")]
        public static partial void Counts(ILogger logger, string bond);

        [LoggerMessage(1312, LogLevel.Warning, "No client will count the stake {Bond}: {Why}")]
        public static partial void DoesNotCount(ILogger logger, string bond, string why);

        [LoggerMessage(1313, LogLevel.Warning, "This node's stake could not be read yet: {Detail}")]
        public static partial void Unreadable(ILogger logger, string detail);
    }
}
