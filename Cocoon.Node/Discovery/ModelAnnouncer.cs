using System.Threading.Channels;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Discovery;

/// <summary>Keeps the world informed of one model: its offers, and this node's provider record for it.</summary>
/// <param name="minInterval">Between two offers.</param>
internal sealed partial class ModelAnnouncer(
    OfferedModel model, ServingSwitch serving, OfferWriting writing, OwnOffers own, OfferBook book, OfferGossip gossip, DirectoryPublisher directory, IProviderLookup lookup,
    TimeSpan minInterval, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan ProvideRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ProvideInterval = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan WithdrawWait = TimeSpan.FromSeconds(1);

    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private EnclaveInfo? _announced;
    private ulong _sequence;

    /// <summary>Until it is cancelled; then the offer is taken back.</summary>
    public async Task RunAsync(CancellationToken stoppingToken)
    {
        model.Enclave.Changed += Nudge;
        model.Prices.Changed += Nudge;
        try
        {
            EnclaveInfo info = await model.Enclave.WaitReadyAsync(stoppingToken);
            await gossip.JoinModelAsync(info.Ready.ModelId.Memory, stoppingToken);
            await Task.WhenAll(AnnounceAsync(stoppingToken), ProvideAsync(info.Ready.ModelId.Memory, stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            await WithdrawAsync();
        }
        finally
        {
            model.Enclave.Changed -= Nudge;
            model.Prices.Changed -= Nudge;
        }
    }

    /// <summary>Publishes the current state soon.</summary>
    public void Nudge() => _changes.Writer.TryWrite(true);

    private async Task AnnounceAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (model.Enclave.Info is { } info && serving.IsOpen)
            {
                VerifiedOffer offer = Build(info, withdrawn: false);
                _announced = info;
                own.Add(offer);
                book.Add(offer);
                await gossip.PublishAsync(offer, cancellationToken);
                await directory.AddAsync(model, offer.Offer, cancellationToken);
            }
            else
            {
                await WithdrawAsync();
            }

            await Task.Delay(minInterval, time, cancellationToken);
            using CancellationTokenSource refresh = new(OfferLimits.RefreshInterval - minInterval, time);
            using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, refresh.Token);
            try
            {
                await _changes.Reader.ReadAsync(linked.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // Nothing changed: time to refresh.
            }
        }
    }

    private async Task ProvideAsync(ReadOnlyMemory<byte> modelId, CancellationToken cancellationToken)
    {
        byte[] key = OfferTopics.ProviderKey(modelId.Span);
        while (true)
        {
            TimeSpan next = ProvideInterval;
            try
            {
                if (await lookup.ProvideAsync(key, cancellationToken) == 0)
                {
                    next = ProvideRetry;
                }
            }
            catch (IOException exception)
            {
                Log.ProvideFailed(logger, exception.Message);
                next = ProvideRetry;
            }

            await Task.Delay(next, time, cancellationToken);
        }
    }

    private async Task WithdrawAsync()
    {
        if (_announced is not { } info)
        {
            return;
        }

        _announced = null;
        directory.Remove(model);
        using CancellationTokenSource brief = new(WithdrawWait, time);
        try
        {
            VerifiedOffer withdrawal = Build(info, withdrawn: true);

            // Whoever asks us for offers gets the withdrawal too; a gossip message may have missed him.
            own.Add(withdrawal);
            book.Add(withdrawal);
            await gossip.PublishAsync(withdrawal, brief.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            Log.NotWithdrawn(logger);
        }
    }

    private VerifiedOffer Build(EnclaveInfo info, bool withdrawn)
    {
        _sequence = Math.Max(_sequence + 1, (ulong)time.GetUtcNow().ToUnixTimeMilliseconds());
        return writing.Build(model, info, _sequence, withdrawn);
    }

    private static partial class Log
    {
        [LoggerMessage(1301, LogLevel.Debug, "The provider record was not placed: {Why}")]
        public static partial void ProvideFailed(ILogger logger, string why);

        [LoggerMessage(1302, LogLevel.Debug, "The offer was not withdrawn before the node stopped; it expires by itself")]
        public static partial void NotWithdrawn(ILogger logger);
    }
}
