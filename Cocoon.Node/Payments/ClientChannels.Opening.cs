using Cocoon.Node.Diagnostics;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Payments;

/// <content>How money is put into channels: openings and top-ups, and the owner's limits on both.</content>
internal sealed partial class ClientChannels
{
    private const int MaxCountedPeers = 64;
    private const int MaxCountedUses = 64;
    private static readonly TimeSpan s_useWindow = TimeSpan.FromHours(1);

    private readonly Dictionary<PeerId, Queue<DateTimeOffset>> _uses = [];

    /// <summary>An open channel to the provider with at least <paramref name="need"/> nanoTON to vouch.</summary>
    /// <remarks>A channel that is open and holds too little is topped up; without one, another is opened.</remarks>
    /// <exception cref="PaymentException">Terms, limits, funds or chain do not allow it.</exception>
    public async Task<ClientChannel> GetOrOpenAsync(ProviderTerms terms, ulong need, CancellationToken cancellationToken)
    {
        Task<ClientChannel> opening;
        lock (_lock)
        {
            NoteUse(terms.Peer);
            if (FindUsable(terms, need) is { } usable)
            {
                return usable;
            }

            if (!_opening.TryGetValue(terms.Peer, out Task<ClientChannel>? started))
            {
                started = FundAndForgetAsync(terms, need);
                _opening.Add(terms.Peer, started);
            }

            opening = started;
        }

        return await opening.WaitAsync(cancellationToken);
    }

    /// <summary>Before money is tied up for it: a request that needs more than its limit at once can never be paid for.</summary>
    /// <param name="least">nanoTON of its first voucher.</param>
    /// <exception cref="PaymentException">The owner's limit for one request is below that.</exception>
    public void RequireWithinLimit(ulong least)
    {
        if (least > _options.PerRequest)
        {
            throw new PaymentException(
                PaymentErrorCode.Limit, $"The request would cost more than its limit of {MoneyWords.Ton(_options.PerRequest)} TON: its first voucher is for {MoneyWords.Ton(least)} TON.");
        }
    }

    /// <summary>Providers that were paid for at least so many requests within the last hour.</summary>
    public IReadOnlyList<PeerId> OftenUsed(int times)
    {
        DateTimeOffset since = _time.GetUtcNow() - s_useWindow;
        lock (_lock)
        {
            return [.. _uses.Where(u => u.Value.Count(at => at > since) >= times).Select(u => u.Key)];
        }
    }

    /// <summary>Opens one more channel because the owner says so: the hourly limit is for openings that nobody asked for.</summary>
    /// <param name="deposit">nanoTON that can be vouched on it.</param>
    /// <exception cref="PaymentException">Terms, cap, funds or chain do not allow it.</exception>
    public Task<ClientChannel> OpenAttendedAsync(ProviderTerms terms, ulong deposit, CancellationToken cancellationToken) =>
        OpenAsync(terms, deposit, attended: true, cancellationToken);

    /// <summary>Adds to the deposit and returns when the chain shows it.</summary>
    /// <exception cref="PaymentException">Not open, over the cap for this provider, or not enough money.</exception>
    public async Task TopUpAsync(ClientChannel channel, ulong amount, CancellationToken cancellationToken)
    {
        ClientChannelRecord record = channel.Record;
        if (record.State != ChannelPhase.Open)
        {
            throw new PaymentException(PaymentErrorCode.State, "Only an open channel can be topped up.");
        }

        CheckCap(channel.Peer, amount);
        ulong query = QueryId();
        InternalMessage message = channel.Contract.TopUp(checked(amount + ChannelContract.OpenGas), query);
        await RequireFundsAsync(_wallet, message.Value, cancellationToken);
        channel.CountFunding(amount, isSent: true);
        try
        {
            await SendAsync(_wallet, new PaymentIntent($"top-up:{channel.Channel}:{query}", message), cancellationToken);
        }
        catch (PaymentException notSent) when (notSent.Code == PaymentErrorCode.Funds)
        {
            channel.CountFunding(amount, isSent: false);
            throw;
        }

        await WaitAsync(channel, after => after.Deposit >= checked(record.Deposit + amount), cancellationToken);
        Log.ToppedUp(_logger, channel.Channel, amount);
    }

    /// <summary>The opening message for terms as they would be agreed on now; for previews, nothing is stored or sent.</summary>
    /// <exception cref="PaymentException">Terms or cap do not allow it, or the chain is away.</exception>
    public async Task<InternalMessage> DraftOpeningAsync(ProviderTerms terms, ulong deposit, CancellationToken cancellationToken)
    {
        CheckTerms(terms);
        CheckCap(terms.Peer, deposit);
        (ChannelTerms agreed, Ed25519PrivateKey payKey) = await AgreeAsync(terms, cancellationToken);
        payKey.Dispose();
        return new ChannelContract(agreed).Open(ChannelContract.ValueToOpen(deposit), QueryId());
    }

    /// <exception cref="PaymentException">With what is needed, what is there, and where to send it.</exception>
    internal static async Task RequireFundsAsync(IChainWallet wallet, ulong value, CancellationToken cancellationToken)
    {
        ulong balance;
        try
        {
            balance = await wallet.GetBalanceAsync(cancellationToken);
        }
        catch (TonException)
        {
            // The sender waits for the chain and judges then.
            return;
        }

        ulong needed = checked(value + wallet.FeeReserve);
        if (balance < needed)
        {
            throw new PaymentException(
                PaymentErrorCode.Funds, $"{MoneyWords.Ton(needed)} TON are needed ({MoneyWords.Ton(value)} and {MoneyWords.Ton(wallet.FeeReserve)} for fees), the wallet holds {MoneyWords.Ton(balance)}.")
            {
                Shortfall = new Shortfall(needed, balance, wallet.Address),
            };
        }
    }

    /// <remarks>Called with the lock held.</remarks>
    private void NoteUse(PeerId peer)
    {
        if (!_uses.TryGetValue(peer, out Queue<DateTimeOffset>? times))
        {
            if (_uses.Count >= MaxCountedPeers)
            {
                _uses.Remove(_uses.MinBy(u => u.Value.Last()).Key);
            }

            _uses[peer] = times = [];
        }

        times.Enqueue(_time.GetUtcNow());
        if (times.Count > MaxCountedUses)
        {
            times.Dequeue();
        }
    }

    private ClientChannel? FindUsable(ProviderTerms terms, ulong need) =>
        _channels.Values.FirstOrDefault(channel => IsFor(channel, terms) && channel.Spendable >= need);

    private bool IsFor(ClientChannel channel, ProviderTerms terms)
    {
        ClientChannelRecord record = channel.Record;
        return record.State == ChannelPhase.Open && record.Peer == terms.Peer && record.Payout == terms.Payout
            && record.ProviderKey.Equals(terms.ProviderKey) && record.Challenge >= terms.MinChallengeSeconds && LivesLongEnough(record);
    }

    /// <summary>The provider stops serving two challenge periods before the expiry.</summary>
    private bool LivesLongEnough(ClientChannelRecord record) =>
        record.ExpiresAt == 0 || record.CreatedAt.AddSeconds(_options.LifetimeSeconds - (2.0 * record.Challenge)) > _time.GetUtcNow();

    private async Task<ClientChannel> FundAndForgetAsync(ProviderTerms terms, ulong need)
    {
        await Task.Yield();
        try
        {
            ClientChannel? known;
            lock (_lock)
            {
                known = _channels.Values.FirstOrDefault(channel => IsFor(channel, terms));
            }

            if (known is null)
            {
                return await OpenAsync(terms, Math.Max(Math.Max(_options.Deposit, terms.MinDeposit), need), attended: false, _stopping.Token);
            }

            ulong spendable = known.Spendable;
            await TopUpAsync(known, Math.Max(_options.Deposit, need > spendable ? need - spendable : 0), _stopping.Token);
            return known;
        }
        finally
        {
            lock (_lock)
            {
                _opening.Remove(terms.Peer);
            }
        }
    }

    private async Task<ClientChannel> OpenAsync(ProviderTerms terms, ulong deposit, bool attended, CancellationToken cancellationToken)
    {
        CheckTerms(terms);
        if (!attended)
        {
            CheckRefusals(terms.Peer);
            CheckRate();
        }

        CheckCap(terms.Peer, deposit);
        (ChannelTerms agreed, Ed25519PrivateKey payKey) = await AgreeAsync(terms, cancellationToken);
        ChannelContract contract = new(agreed);
        InternalMessage open = contract.Open(ChannelContract.ValueToOpen(deposit), QueryId());
        ClientChannel channel = new(
            _store, ClientChannelRecord.Of(agreed, terms.Peer, deposit, _time.GetUtcNow()) with { Attended = attended }, payKey, _options, _time);
        try
        {
            await RequireFundsAsync(_wallet, open.Value, cancellationToken);
        }
        catch
        {
            channel.Dispose();
            throw;
        }

        // Stored before it is sent: a crash in between leaves a channel that never opens, not money that nobody knows of.
        await _store.AddAsync(channel.Record, cancellationToken);
        CrashPoint.Reach(CrashPoint.ClientOpenStored);
        lock (_lock)
        {
            _channels.Add(channel.Channel, channel);
        }

        await SendOpenAsync(channel, open, cancellationToken);
        await WaitAsync(channel, record => record.State != ChannelPhase.Opening, cancellationToken);
        if (channel.Phase != ChannelPhase.Open)
        {
            throw new PaymentException(PaymentErrorCode.Chain, "The channel's opening did not go through in its window; the deposit came back.");
        }

        Log.Opened(_logger, channel.Channel, channel.Peer, channel.Record.Deposit);
        return channel;
    }

    private async Task<(ChannelTerms Terms, Ed25519PrivateKey PayKey)> AgreeAsync(ProviderTerms terms, CancellationToken cancellationToken)
    {
        uint now;
        try
        {
            now = await _chain.GetTimeAsync(cancellationToken);
        }
        catch (TonException failure)
        {
            throw new PaymentException(PaymentErrorCode.Chain, $"No channel can be opened while the chain is away: {failure.Message}", failure);
        }

        ulong salt = ChannelTerms.RandomSalt();
        Ed25519PrivateKey payKey = ChannelTerms.DerivePayKey(_wallet.Key, terms.ProviderKey, terms.GlobalId, salt);
        ChannelTerms agreed = new(
            _wallet.Address, payKey.PublicKey, terms.Payout, terms.ProviderKey, Math.Max(terms.MinChallengeSeconds, _options.MinChallengeSeconds),
            checked(now + _options.OpenWindowSeconds), checked(now + _options.LifetimeSeconds), terms.GlobalId, salt);
        return (agreed, payKey);
    }

    /// <summary>
    /// An opening that never left the wallet is forgotten: it cost nothing and counts against no limit. One that was signed and refused may still
    /// arrive, and without the channel's salt nobody could sign for the money in it: it is kept until its window is over.
    /// </summary>
    private async Task SendOpenAsync(ClientChannel channel, InternalMessage open, CancellationToken cancellationToken)
    {
        using CancellationTokenSource clock = new(_options.OpenTimeout, _time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, clock.Token);
        try
        {
            await SendAsync(_wallet, new PaymentIntent($"open:{channel.Channel}", open), linked.Token);
        }
        catch (PaymentException exception) when (exception.Code == PaymentErrorCode.Funds)
        {
            Forget(channel);
            await _store.RemoveUnsentAsync(channel.Channel, CancellationToken.None);
            throw;
        }
        catch (OperationCanceledException) when (clock.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new PaymentException(
                PaymentErrorCode.Chain, $"The opening could not be sent within {_options.OpenTimeout.TotalSeconds:0} s; should it still leave after its window, the deposit comes back.");
        }
    }

    private void CheckTerms(ProviderTerms terms)
    {
        if (terms.CodeHash != ChannelContract.CodeHash)
        {
            throw new PaymentException(PaymentErrorCode.Terms, $"The provider wants channel code {terms.CodeHash}, which this version does not know.");
        }

        if (terms.MinChallengeSeconds > _options.MaxChallengeSeconds)
        {
            throw new PaymentException(
                PaymentErrorCode.Terms, $"The provider wants a challenge of {terms.MinChallengeSeconds} s, the most accepted is {_options.MaxChallengeSeconds} s.");
        }

        if (terms.MinDeposit > _options.DepositCapPerProvider)
        {
            throw new PaymentException(
                PaymentErrorCode.Terms, $"The provider wants a deposit of {MoneyWords.Ton(terms.MinDeposit)} TON, the most for one provider is {MoneyWords.Ton(_options.DepositCapPerProvider)}.");
        }

        if (!terms.ProviderKey.IsPrimeOrder() || terms.Payout.Workchain != 0)
        {
            throw new PaymentException(PaymentErrorCode.Terms, "The provider's key is no valid key, or its payout address is not in the basechain.");
        }
    }

    /// <summary>A provider that turns a good channel away gets no other one until that one's money is back.</summary>
    private void CheckRefusals(PeerId peer)
    {
        if (Channels.Any(channel => channel.Peer == peer && channel.Refusals >= MaxRefusals))
        {
            throw new PaymentException(
                PaymentErrorCode.Provider, "The provider turns away a channel that the chain shows open; another is opened when that one has ended.");
        }
    }

    private void CheckRate()
    {
        if (_store.CountOpenedUnattendedSince(_time.GetUtcNow().AddHours(-1)) >= _options.OpensPerHour)
        {
            throw new PaymentException(
                PaymentErrorCode.Limit,
                $"{_options.OpensPerHour} channels were opened within the hour, the most allowed unattended; 'cocoon channels open' opens one in your presence.");
        }
    }

    private void CheckCap(PeerId peer, ulong more)
    {
        ulong tied = 0;
        foreach (ClientChannel channel in Channels)
        {
            if (channel.Peer == peer)
            {
                ClientChannelRecord record = channel.Record;
                ulong funded = channel.Funded;
                tied = checked(tied + funded - Math.Min(funded, Math.Max(Math.Min(record.Claimed, record.HighestTotal), record.Due)));
            }
        }

        if (more > _options.DepositCapPerProvider || tied > _options.DepositCapPerProvider - more)
        {
            throw new PaymentException(
                PaymentErrorCode.Limit, $"{MoneyWords.Ton(tied)} TON are tied up with this provider, {MoneyWords.Ton(more)} more would pass the cap of {MoneyWords.Ton(_options.DepositCapPerProvider)} (--limit-provider).");
        }
    }
}
