using System.Threading.Channels;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Hosting;
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

    /// <summary>
    /// Before a withdrawal is said again, then doubled, for as long as the offer lives: a peer that has it from somebody else, or whose
    /// gossip was not joined yet, misses the first.
    /// </summary>
    private static readonly TimeSpan WithdrawAgain = TimeSpan.FromSeconds(1);

    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private EnclaveInfo? _announced;
    private VerifiedOffer? _withdrawal;
    private DateTimeOffset _offeredUntil;
    private TimeSpan _nextWithdrawal;
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
            string name = model.Name ?? info.Ready.ModelName;
            await RestartingLoops.RunAsync(
                [($"offering {name}", AnnounceAsync), ($"the provider record of {name}", token => ProvideAsync(info.Ready.ModelId.Memory, token))],
                logger, time, stoppingToken);
        }
        finally
        {
            model.Enclave.Changed -= Nudge;
            model.Prices.Changed -= Nudge;
            if (_announced is not null)
            {
                await WithdrawAsync();
            }
        }
    }

    /// <summary>Publishes the current state soon.</summary>
    public void Nudge() => _changes.Writer.TryWrite(true);

    private async Task AnnounceAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            TimeSpan next = OfferLimits.RefreshInterval;
            if (ToOffer() is { } info)
            {
                VerifiedOffer offer = await BuildAsync(info, withdrawn: false, cancellationToken);
                (_announced, _withdrawal, _offeredUntil, _nextWithdrawal) = (info, null, offer.ExpiresAt, WithdrawAgain);
                own.Add(offer);
                book.Add(offer);
                await gossip.PublishAsync(offer, cancellationToken);
                await directory.AddAsync(model, offer.Offer, cancellationToken);
            }
            else
            {
                await WithdrawAsync();
                if (_withdrawal is not null)
                {
                    next = _nextWithdrawal;
                    _nextWithdrawal *= 2;
                }
            }

            await WaitAsync(next > minInterval ? next : minInterval, cancellationToken);
        }
    }

    /// <summary>The enclave to offer now.</summary>
    private EnclaveInfo? ToOffer() => serving.IsOpen ? model.Enclave.Info : null;

    /// <summary>
    /// Until something changed, but not before the interval between two offers is over, unless the offer is to be taken back: nobody may
    /// wait for that. At the latest until <paramref name="longest"/> is over.
    /// </summary>
    private async Task WaitAsync(TimeSpan longest, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        TimeSpan left = longest;
        while (left > TimeSpan.Zero && !(_announced is not null && ToOffer() is null))
        {
            using CancellationTokenSource over = new(left, time);
            using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, over.Token);
            try
            {
                await _changes.Reader.ReadAsync(linked.Token);
                left = (ToOffer() is null ? longest : minInterval) - time.GetElapsedTime(start);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return;
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

    /// <summary>Takes the offer back, and says so again on later calls for as long as it could live anywhere.</summary>
    private async Task WithdrawAsync()
    {
        if (_announced is { } info)
        {
            _announced = null;
            directory.Remove(model);

            // Whoever asks us for offers gets the withdrawal too; a gossip message may have missed him.
            _withdrawal = await BuildAsync(info, withdrawn: true, CancellationToken.None);
            own.Add(_withdrawal);
            book.Add(_withdrawal);
        }

        if (_offeredUntil <= time.GetUtcNow())
        {
            _withdrawal = null;
        }

        if (_withdrawal is null)
        {
            return;
        }

        using CancellationTokenSource brief = new(WithdrawWait, time);
        try
        {
            await gossip.PublishAsync(_withdrawal, brief.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            Log.NotWithdrawn(logger);
        }
    }

    private Task<VerifiedOffer> BuildAsync(EnclaveInfo info, bool withdrawn, CancellationToken cancellationToken)
    {
        _sequence = Math.Max(_sequence + 1, (ulong)time.GetUtcNow().ToUnixTimeMilliseconds());
        return writing.BuildAsync(model, info, _sequence, withdrawn, cancellationToken);
    }

    private static partial class Log
    {
        [LoggerMessage(1301, LogLevel.Debug, "The provider record was not placed: {Why}")]
        public static partial void ProvideFailed(ILogger logger, string why);

        [LoggerMessage(1302, LogLevel.Debug, "The offer was not withdrawn before the node stopped; it expires by itself")]
        public static partial void NotWithdrawn(ILogger logger);
    }
}
