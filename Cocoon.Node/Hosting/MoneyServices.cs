using Cocoon.Node.Payments;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Hosting;

/// <summary>Starts the wallet's sender: what was queued before a crash goes on.</summary>
internal sealed class WalletRunner(WalletAccount wallet) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        wallet.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>The provider's money in the background: serves <c>/cocoon/pay</c>, watches channels and claims.</summary>
internal sealed partial class ProviderMoney(ILibp2pHost host, RelayService relay, PayHandler pay, ProviderWatcher watcher, ILogger<ProviderMoney> logger) : BackgroundService
{
    private static readonly TimeSpan LastClaims = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        pay.Register(host);
        pay.Register(relay);
        try
        {
            await watcher.RunAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            await ClaimBeforeStopAsync();
        }
    }

    private async Task ClaimBeforeStopAsync()
    {
        if (!watcher.HasLastClaims)
        {
            return;
        }

        Log.LastClaims(logger, LastClaims.TotalSeconds);
        using CancellationTokenSource limit = new(LastClaims);
        try
        {
            await watcher.LookAsync(shutdown: true, limit.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or TonException or PaymentException)
        {
            Log.NotClaimed(logger, exception.GetType().Name);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(4300, LogLevel.Information, "Claiming what channels owe before stopping, {Seconds} s at most; the next start claims what the chain does not take in that time")]
        public static partial void LastClaims(ILogger logger, double seconds);

        [LoggerMessage(4301, LogLevel.Warning, "Not everything was claimed before the stop ({Why}); the vouchers are kept and claimed at the next start")]
        public static partial void NotClaimed(ILogger logger, string why);
    }
}

/// <summary>Brings the client's channels to what the chain says and fetches what lies in ended ones, after a start and then from time to time.</summary>
internal sealed partial class ClientMoney(ClientChannels channels, ChannelKeeper keeper, TimeProvider time, ILogger<ClientMoney> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>While an opening of an earlier run is on its way.</summary>
    private static readonly TimeSpan OpeningInterval = TimeSpan.FromSeconds(2);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await RecoverAsync(stoppingToken);
                bool opening = channels.Channels.Any(c => c.Phase == ChannelPhase.Opening);
                await Task.Delay(opening ? OpeningInterval : Interval, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task RecoverAsync(CancellationToken cancellationToken)
    {
        try
        {
            await keeper.TendAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is TonException or PaymentException)
        {
            Log.NotRecovered(logger, exception.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(4302, LogLevel.Warning, "Channels could not be compared with the chain: {Why}")]
        public static partial void NotRecovered(ILogger logger, string why);
    }
}
