using Cocoon.Node.Diagnostics;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Sending;

namespace Cocoon.Node.Payments;

/// <summary>The channels through which this node pays: opens them lazily, finds them again after a crash, and closes them.</summary>
/// <remarks>Thread-safe. One opening at a time per provider: callers that ask meanwhile get the same channel.</remarks>
internal sealed partial class ClientChannels : IAsyncDisposable
{
    /// <summary>Unexplained refusals of a provider after which a channel to it is ended alone.</summary>
    internal const int MaxRefusals = 3;

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly Dictionary<CellHash, ClientChannel> _channels = [];
    private readonly Dictionary<PeerId, Task<ClientChannel>> _opening = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly ClientChannelStore _store;
    private readonly IChannelChain _chain;
    private readonly IChainWallet _wallet;
    private readonly SpendOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ClientChannels> _logger;

    public ClientChannels(
        ClientChannelStore store, IChannelChain chain, IChainWallet wallet, SpendOptions options, TimeProvider time, ILogger<ClientChannels> logger)
    {
        _store = store;
        _chain = chain;
        _wallet = wallet;
        _options = options;
        _time = time;
        _logger = logger;
        foreach (ClientChannelRecord record in store.ListLive())
        {
            if (record.Client == wallet.Address)
            {
                _channels.Add(record.Channel, Materialize(record));
            }
        }
    }

    /// <summary>Opening, open and closing ones.</summary>
    public IReadOnlyList<ClientChannel> Channels
    {
        get
        {
            lock (_lock)
            {
                return [.. _channels.Values];
            }
        }
    }

    public ClientChannel? Find(CellHash channel)
    {
        lock (_lock)
        {
            return _channels.GetValueOrDefault(channel);
        }
    }

    /// <summary>Whether there is a record of it, also of one that has ended.</summary>
    public bool IsRecorded(CellHash channel) => _store.Find(channel) is not null;

    /// <summary>Brings every stored channel to what the chain says: after a start, and whenever the chain was away.</summary>
    /// <remarks>An unreachable chain leaves a channel as it was stored; what is open in the store can be vouched from within the known deposit.</remarks>
    public async Task RecoverAsync(CancellationToken cancellationToken)
    {
        foreach (ClientChannel channel in Channels)
        {
            try
            {
                await RefreshAsync(channel, cancellationToken);
            }
            catch (TonException failure)
            {
                Log.NotRefreshed(_logger, channel.Channel, failure.Message);
            }
        }
    }

    /// <summary>Uses a channel no more: its provider takes nothing on it. <see cref="ChannelKeeper"/> brings it to its end.</summary>
    /// <remarks>Its deposit is tied up until then, and the next request pays for another: not on a provider's word alone.</remarks>
    public static Task RetireAsync(ClientChannel channel, CancellationToken cancellationToken) => channel.UpdateAsync(
        record => record.State == ChannelPhase.Open ? record with { State = ChannelPhase.Closing } : record, cancellationToken);

    /// <summary>Reads one channel from the chain and moves it to the phase that follows.</summary>
    /// <exception cref="TonException">The chain did not answer usably; nothing changed.</exception>
    public async Task RefreshAsync(ClientChannel channel, CancellationToken cancellationToken)
    {
        ChannelAccount account = await _chain.ReadAsync(channel.Channel, cancellationToken);
        if (!channel.Believes(account))
        {
            if (account.State is null)
            {
                Log.NotBelieved(_logger, channel.Channel);
            }

            return;
        }

        bool opens = channel.Phase == ChannelPhase.Opening && account.State is { Opened: true };
        if (opens)
        {
            CrashPoint.Reach(CrashPoint.ClientOpenShown);
        }

        await channel.UpdateAsync(record => Follow(record, account), cancellationToken);
        if (opens)
        {
            CrashPoint.Reach(CrashPoint.ClientOpenRecorded);
        }

        if (channel.Phase is ChannelPhase.Closed or ChannelPhase.Failed)
        {
            Forget(channel);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task[] opening;
        lock (_lock)
        {
            opening = [.. _opening.Values];
        }

        await _stopping.CancelAsync();
        await Task.WhenAll(opening).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        foreach (ClientChannel channel in Channels)
        {
            await channel.StopAsync();
            channel.Dispose();
        }

        _stopping.Dispose();
    }

    /// <summary>Takes in a channel that the chain showed and the store had lost.</summary>
    internal async Task<ClientChannel> TakeInAsync(ClientChannelRecord record, CancellationToken cancellationToken)
    {
        await _store.AddAsync(record, cancellationToken);
        ClientChannel channel = Materialize(record);
        lock (_lock)
        {
            _channels.Add(record.Channel, channel);
        }

        return channel;
    }

    internal void Forget(ClientChannel channel)
    {
        lock (_lock)
        {
            _channels.Remove(channel.Channel);
        }
    }

    /// <summary>Polls the chain until the channel's record satisfies the condition.</summary>
    /// <exception cref="PaymentException">Not within the time for openings.</exception>
    internal async Task WaitAsync(ClientChannel channel, Func<ClientChannelRecord, bool> condition, CancellationToken cancellationToken)
    {
        using CancellationTokenSource clock = new(_options.OpenTimeout, _time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, clock.Token);
        TonException? last = null;
        try
        {
            while (true)
            {
                try
                {
                    await RefreshAsync(channel, linked.Token);
                    if (condition(channel.Record))
                    {
                        return;
                    }
                }
                catch (TonException failure)
                {
                    last = failure;
                }

                await Task.Delay(s_poll, _time, linked.Token);
            }
        }
        catch (OperationCanceledException) when (clock.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new PaymentException(
                PaymentErrorCode.Chain, $"The chain did not show the change within {_options.OpenTimeout.TotalSeconds:0} s; it is looked for again at the next start.", last);
        }
    }

    /// <exception cref="PaymentException">The message did not leave, or its receiver refused it.</exception>
    internal static async Task<SendOutcome> SendAsync(IChainWallet wallet, PaymentIntent intent, CancellationToken cancellationToken)
    {
        SendOutcome outcome = (await wallet.SendAsync([intent], cancellationToken))[0];
        return outcome.Result switch
        {
            SendResult.Delivered or SendResult.SentUnconfirmed => outcome,
            SendResult.NotSent => throw new PaymentException(PaymentErrorCode.Funds, outcome.Words),
            SendResult.RejectedByReceiver or SendResult.Refused => throw new PaymentException(PaymentErrorCode.Chain, outcome.Words),
            _ => throw new InvalidOperationException($"No such result: {outcome.Result}."),
        };
    }

    internal static ulong QueryId() => ChannelTerms.RandomSalt() & long.MaxValue;

    /// <summary>What a reading of the account means for a channel in its present phase.</summary>
    internal static ClientChannelRecord Follow(ClientChannelRecord record, ChannelAccount account)
    {
        if (account.State is not { } state)
        {
            return record.State switch
            {
                // Sent and not arrived yet, as long as it still may.
                ChannelPhase.Opening => account.ChainTime > record.OpenBefore ? record with { State = ChannelPhase.Failed } : record,
                _ => record with { State = ChannelPhase.Closed },
            };
        }

        if (state.Terms with { ExpiresAt = record.ExpiresAt } != record.Terms)
        {
            throw new TonException(TonErrorCode.Malformed, "The endpoint shows other terms at the channel's address.");
        }

        record = record with { Claimed = Math.Max(record.Claimed, state.Claimed), CloseAt = state.CloseAt };
        return state switch
        {
            { CloseAt: not 0 } => record with { State = ChannelPhase.Closing },
            { Opened: false } when account.ChainTime > record.OpenBefore && account.Balance <= ChannelContract.MinValue => record with { State = ChannelPhase.Failed },
            { Opened: true } when record is { CloseAck: null, State: not ChannelPhase.Closing } => record with { State = ChannelPhase.Open, Deposit = account.Capacity },
            _ => record,
        };
    }

    private ClientChannel Materialize(ClientChannelRecord record) => new(
        _store, record, ChannelTerms.DerivePayKey(_wallet.Key, record.ProviderKey, record.GlobalId, record.Salt), _options, _time);

    private static partial class Log
    {
        [LoggerMessage(4101, LogLevel.Information, "Opened channel {Channel} to {Peer}; it can pay {Deposit} nanoTON")]
        public static partial void Opened(ILogger logger, CellHash channel, PeerId peer, ulong deposit);

        [LoggerMessage(4103, LogLevel.Information, "Topped up channel {Channel} by {Amount} nanoTON")]
        public static partial void ToppedUp(ILogger logger, CellHash channel, ulong amount);

        [LoggerMessage(4104, LogLevel.Warning, "A server says that channel {Channel} is gone; it is looked at again")]
        public static partial void NotBelieved(ILogger logger, CellHash channel);

        [LoggerMessage(4102, LogLevel.Warning, "Channel {Channel} could not be read: {Detail}")]
        public static partial void NotRefreshed(ILogger logger, CellHash channel, string detail);
    }
}
