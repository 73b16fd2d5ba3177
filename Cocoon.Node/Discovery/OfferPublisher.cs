using System.Threading.Channels;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Routing;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Sessions;
using Google.Protobuf;
using Microsoft.Extensions.Options;
using DirectoryEntry = Cocoon.Protocol.Offers.Proto.Directory.Types.Entry;

namespace Cocoon.Node.Discovery;

/// <summary>Announces what this node serves: at start, every 15 s, on change (at most once a second), and takes it back when it stops.</summary>
internal sealed partial class OfferPublisher(
    ILibp2pHost host,
    RelayService relay,
    IEnclave enclave,
    ServingSwitch serving,
    ServingPrices prices,
    Ed25519PrivateKey peerKey,
    PayoutTerms payout,
    OwnOffers own,
    OfferBook book,
    ModelDirectory directory,
    OfferGossip gossip,
    IProviderLookup lookup,
    RouteTerms terms,
    NodeAgent agent,
    IOptions<ServingOptions> options,
    TimeProvider time,
    ILogger<OfferPublisher> logger) : BackgroundService
{
    private static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ProvideRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ProvideInterval = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan WithdrawWait = TimeSpan.FromSeconds(1);

    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly DateTimeOffset _started = time.GetUtcNow();
    private EnclaveInfo? _announced;
    private ulong _sequence;

    /// <summary>The network's directories have this provider already: a simulated network that has existed for long begins so.</summary>
    internal bool IsKnown { get; init; }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => RunAsync(stoppingToken);

    /// <summary>The service itself, until it is cancelled; the simulator runs it without a host of services.</summary>
    internal async Task RunAsync(CancellationToken stoppingToken)
    {
        enclave.Changed += OnChanged;
        serving.Changed += OnChanged;
        prices.Changed += OnChanged;
        Libp2pHost? real = host as Libp2pHost;
        if (real is not null)
        {
            real.AddressesChanged += OnChanged;
        }

        try
        {
            EnclaveInfo info = await enclave.WaitReadyAsync(stoppingToken);
            await gossip.JoinModelAsync(info.Ready.ModelId.Memory, stoppingToken);
            await Task.WhenAll(AnnounceAsync(stoppingToken), ProvideAsync(info.Ready.ModelId.Memory, stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            await WithdrawAsync();
        }
        finally
        {
            enclave.Changed -= OnChanged;
            serving.Changed -= OnChanged;
            prices.Changed -= OnChanged;
            if (real is not null)
            {
                real.AddressesChanged -= OnChanged;
            }
        }
    }

    /// <summary>Publishes the current state soon.</summary>
    public void Nudge() => OnChanged();

    private void OnChanged() => _changes.Writer.TryWrite(true);

    private async Task AnnounceAsync(CancellationToken cancellationToken)
    {
        DirectoryPacing pacing = new(time, (uint)host.LocalPeer.GetHashCode() / (double)uint.MaxValue);
        IReadOnlyList<DirectoryEntry>? announced = IsKnown ? null : [];
        if (IsKnown)
        {
            pacing.Resume();
        }

        while (true)
        {
            if (enclave.Info is { } info && serving.IsOpen)
            {
                VerifiedOffer offer = Build(info, withdrawn: false);
                _announced = info;
                own.Add(offer);
                book.Add(offer);
                await gossip.PublishAsync(offer, cancellationToken);
                IReadOnlyList<DirectoryEntry> entries = [ModelDirectory.EntryOf(offer.Offer)];
                announced ??= entries;
                if (pacing.IsDue(!entries.SequenceEqual(announced), since => directory.CountSince(offer.Offer.ModelId.Span, since)))
                {
                    announced = entries;
                    await gossip.PublishDirectoryAsync(ModelDirectory.Sign([offer.Offer], host.LocalPeer, peerKey, time.GetUtcNow()), cancellationToken);
                }
            }
            else
            {
                await WithdrawAsync();
            }

            await Task.Delay(MinInterval, time, cancellationToken);
            using CancellationTokenSource refresh = new(OfferLimits.RefreshInterval - MinInterval, time);
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
        ServingOptions chosen = options.Value;
        Ready ready = info.Ready;
        Load load = enclave.Load;
        DateTimeOffset now = time.GetUtcNow();
        _sequence = Math.Max(_sequence + 1, (ulong)now.ToUnixTimeMilliseconds());
        float Rate(float measured, float atStart) => measured > 0 ? measured : atStart;
        Offer offer = new()
        {
            Sequence = _sequence,
            IssuedAtMs = (ulong)now.ToUnixTimeMilliseconds(),
            ExpiresAtMs = (ulong)(now + OfferLimits.TimeToLive).ToUnixTimeMilliseconds(),
            ModelName = chosen.ModelName.Length > 0 ? chosen.ModelName : ready.ModelName,
            ModelId = ready.ModelId,
            Quantisation = ready.Quantisation,
            ContextTokens = ready.ContextTokens,
            Prices = prices.Current,
            SlotsTotal = withdrawn ? 0 : ready.Slots,
            SlotsFree = withdrawn ? 0 : ready.Slots - Math.Min(ready.Slots, load.Active),
            Queue = load.Queued,
            PrefillTokensPerSecond = Rate(load.PrefillTokensPerSecond, ready.PrefillTokensPerSecond),
            DecodeTokensPerSecond = Rate(load.DecodeTokensPerSecond, ready.DecodeTokensPerSecond),
            Hardware = ready.Hardware,
            HardwareMemoryBytes = ready.HardwareMemoryBytes,
            Region = chosen.Region,
            UptimeSinceMs = (ulong)_started.ToUnixTimeMilliseconds(),
            Tier = ready.Tier,
            EvidenceDigest = ByteString.CopyFrom(info.EvidenceDigest.Span),
            EvidenceKind = ready.EvidenceKind,
            Payout = payout.Address,
            ProviderKey = ByteString.CopyFrom(payout.ProviderKey.Bytes),
            EngineKind = ready.Engine,
            EngineDigest = ready.EngineDigest,
            Terms = new ChannelTerms
            {
                MinChallengeSeconds = chosen.MinChallengeSeconds,
                MinDepositNanoton = chosen.MinDepositNanoton,
                MaxCreditNanoton = chosen.MaxCreditNanoton,
                GlobalId = terms.GlobalId,
            },
            KeyEpoch = info.KeyEpoch,
            KeySetDigest = ByteString.CopyFrom(WelcomeVerifier.KeySetDigest(info.Keys)),
            MaxOutputTokens = ready.MaxOutputTokens,
            Agent = agent.Value,
        };
        offer.Capabilities.AddRange(ready.Capabilities);
        offer.Protocols.Add(Sessions.SessionLink.ProtocolId);
        offer.Protocols.Add(RelayProtocol.Id);
        if (relay.Forwards)
        {
            offer.Protocols.Add(RelayProtocol.ForwardId);
        }

        offer.ChannelCodeHashes.AddRange(terms.ChannelCodeHashes.Select(h => ByteString.CopyFrom(Convert.FromHexString(h))));
        offer.Relay = host is Libp2pHost { IsRelay: true };
        offer.Addresses.AddRange(host.Addresses.Take(OfferLimits.MaxAddresses).Select(a => ByteString.CopyFrom(a.Bytes)));
        return OfferWriter.Sign(offer, host.LocalPeer, peerKey);
    }

    private static partial class Log
    {
        [LoggerMessage(1301, LogLevel.Debug, "The provider record was not placed: {Why}")]
        public static partial void ProvideFailed(ILogger logger, string why);

        [LoggerMessage(1302, LogLevel.Debug, "The offer was not withdrawn before the node stopped; it expires by itself")]
        public static partial void NotWithdrawn(ILogger logger);
    }
}
