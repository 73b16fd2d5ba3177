using Cocoon.Node.Cli;
using Cocoon.Node.Discovery;
using Cocoon.Node.Payments;
using Cocoon.Node.Peers;
using Cocoon.Node.Routing;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Control;

/// <summary>What the owner does with channels by hand. Each action can be previewed (<c>dry_run</c>); then nothing is stored or sent.</summary>
internal sealed class ChannelActions(IServiceProvider services, Previews previews, TimeProvider time)
{
    private static readonly TimeSpan OfferWait = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan OfferPoll = TimeSpan.FromMilliseconds(200);

    private const int MaxListed = 1000;

    /// <summary>Every channel at once, in place of one channel's id.</summary>
    private const string All = "all";

    public async Task<object> OpenAsync(OpenChannelRequest request, CancellationToken cancellationToken)
    {
        ClientChannels channels = Client();
        ulong deposit = Amount(request.DepositNanoton);
        VerifiedOffer offer = await FindOfferAsync(request.Provider, cancellationToken);
        ProviderTerms terms = ProviderTermsReader.From(offer, services.GetRequiredService<RouteTerms>());
        if (deposit < terms.MinDeposit)
        {
            throw new CliException(
                ExitCode.Usage, $"the provider accepts no deposit below {MoneyWords.Ton(terms.MinDeposit)} TON", null, $"Give --deposit {MoneyWords.Ton(terms.MinDeposit)} or more.");
        }

        if (!request.Another && channels.Channels.FirstOrDefault(c => c.Peer == offer.Peer && c.Phase is ChannelPhase.Open or ChannelPhase.Opening) is { } open)
        {
            string address = Friendly(open.Channel);
            ulong left = open.Record.Deposit > open.Record.Due ? open.Record.Deposit - open.Record.Due : 0;
            throw new CliException(
                ExitCode.Payment, "there is a channel to this provider already", $"{address} is {open.Phase.ToString().ToLowerInvariant()}, and {MoneyWords.Ton(left)} TON can be spent on it",
                open.Phase == ChannelPhase.Open
                    ? $"Add to it with 'cocoon channels topup {address} TON', or open a second one with --another."
                    : "Within a minute it is open or given up; --another opens a second one now.");
        }

        if (request.DryRun)
        {
            // The address follows from terms that hold the time of opening, so the draft's is not the one that will be.
            InternalMessage draft = await channels.DraftOpeningAsync(terms, deposit, cancellationToken);
            PreviewDocument preview = await previews.OfAsync(
                $"open a channel to {offer.Peer}: {MoneyWords.Ton(deposit)} TON to spend there, 0.01 TON for rent, both come back when it closes", [draft], cancellationToken);
            return preview with { To = "a new channel contract, whose address is shown once it is open" };
        }

        ClientChannelRecord record = (await channels.OpenAttendedAsync(terms, deposit, cancellationToken)).Record;
        return new OpenedChannelDocument(
            ControlJson.Schema, Friendly(record.Channel), record.Channel.ToString(), record.Peer.ToString(), ControlJson.Nanoton(record.Deposit), record.ExpiresAt, record.Challenge);
    }

    public async Task<object> TopUpAsync(string id, TopUpRequest request, CancellationToken cancellationToken)
    {
        ClientChannels channels = Client();
        ClientChannel channel = Find(channels, id);
        ulong amount = Amount(request.AmountNanoton);
        if (request.DryRun)
        {
            return await previews.OfAsync(
                $"add {MoneyWords.Ton(amount)} TON to channel {Friendly(channel.Channel)}; what is left of {MoneyWords.Ton(ChannelContract.OpenGas)} TON for gas is added too",
                [channel.Contract.TopUp(checked(amount + ChannelContract.OpenGas), ClientChannels.QueryId())], cancellationToken);
        }

        await channels.TopUpAsync(channel, amount, cancellationToken);
        ClientChannelRecord record = channel.Record;
        return new OpenedChannelDocument(
            ControlJson.Schema, Friendly(record.Channel), record.Channel.ToString(), record.Peer.ToString(), ControlJson.Nanoton(record.Deposit), record.ExpiresAt, record.Challenge);
    }

    public async Task<object> CloseAsync(string id, CloseRequestBody request, CancellationToken cancellationToken)
    {
        ClientChannels channels = Client();
        ClientChannel channel = Find(channels, id);
        ChannelCloser closer = services.GetRequiredService<ChannelCloser>();
        ClientChannelRecord before = channel.Record;
        bool finish = before.CloseAt != 0;
        if (request.DryRun)
        {
            // What was claimed since the last reading cannot come back, so it is in the total that is shown.
            await channels.RefreshAsync(channel, cancellationToken);
            return await PreviewCloseAsync(channel, request.Alone, finish, cancellationToken);
        }

        if (request.Alone && !(finish && await closer.IsRipeAsync(channel, cancellationToken)))
        {
            if (!finish)
            {
                await previews.RequireAsync([channel.Contract.StartClose(ClientChannels.QueryId())], cancellationToken);
            }

            // Asked once more, it tells until when.
            uint closeAt = await closer.StartCloseAsync(channel, cancellationToken);
            return new StartedCloseDocument(
                ControlJson.Schema, Friendly(channel.Channel), closeAt, $"the provider may claim until {MoneyWords.Time(closeAt)}; then this node fetches the rest by itself");
        }

        services.GetRequiredService<PeerNetwork>().Host.ForgiveAddresses(channel.Peer);
        ChannelSettlement settled = finish
            ? await closer.FinishCloseAsync(channel, cancellationToken)
            : await closer.CloseTogetherAsync(channel, cancellationToken);
        return new SettlementDocument(
            ControlJson.Schema,
            Friendly(settled.Channel),
            settled.Transaction,
            ControlJson.Nanoton(settled.PaidToProvider),
            ControlJson.Nanoton(settled.ClaimedTotal),
            ControlJson.Nanoton(settled.Refunded),
            ControlJson.Nanoton(before.Fees + settled.WalletFees + (settled.ChannelFees ?? 0) + settled.RefundFees),
            before.Payout.ToString());
    }

    /// <param name="id">A channel, or <c>all</c>.</param>
    public async Task<object> ClaimAsync(string id, DryRunRequest request, CancellationToken cancellationToken)
    {
        ProviderLedger ledger = services.GetService<ProviderLedger>()
            ?? throw new CliException(ExitCode.Usage, "this node is no provider", "only providers claim", "Run it against a provider's --data directory.");
        ProviderChannel[] wanted =
        [
            .. id == All ? ledger.Channels.Where(c => c.Unclaimed > 0 && !c.Record.Gone) : [ChannelFinder.Find(ledger.Channels, c => c.Channel, id)],
        ];
        foreach (ProviderChannel channel in wanted.Where(c => c.Unclaimed > 0).Take(ClaimQueue.MaxBatch))
        {
            // A claim on a channel that has ended meanwhile would cost its fee for nothing.
            await ledger.RefreshAsync(channel, cancellationToken);
        }

        wanted = [.. wanted.Where(c => c.Unclaimed > 0 && !c.Record.Gone)];
        ulong due = wanted.Aggregate(0UL, (sum, c) => checked(sum + c.Unclaimed));
        if (due == 0)
        {
            throw new CliException(
                ExitCode.Payment,
                "there is nothing to claim",
                ledger.Channels.Any(c => c.Record.Gone && c.Unclaimed > 0) ? "every voucher of an open channel was redeemed; what was not claimed before a channel ended is lost (see 'cocoon channels')" : "every voucher was redeemed");
        }

        if (request.DryRun)
        {
            ProviderChannel[] batch = [.. wanted.Where(c => c.Unclaimed > 0).Take(ClaimQueue.MaxBatch)];
            return await previews.OfAsync(
                $"claim {MoneyWords.Ton(due)} TON on {wanted.Length} channel(s)",
                [.. batch.Select(c => c.Contract.Claim(c.Record.Voucher!, ClientChannels.QueryId()))], cancellationToken);
        }

        IReadOnlyList<ClaimResult> results = await services.GetRequiredService<ClaimQueue>().ClaimAsync(wanted, cancellationToken);
        ClaimResult first = results[0];
        return new ClaimDocument(
            ControlJson.Schema,
            results.Count == 1 ? Friendly(first.Channel) : $"{results.Count} channels",
            first.Outcome.ReceiverTransaction?.Hash.ToString() ?? first.Outcome.WalletTransaction?.Hash.ToString(),
            ControlJson.Nanoton(results.Aggregate(0UL, (sum, r) => checked(sum + r.Paid))),
            ControlJson.Nanoton(results.Aggregate(0UL, (sum, r) => checked(sum + r.Left))),
            ControlJson.Nanoton(results.Where(r => r.Outcome.WalletTransaction is not null).DistinctBy(r => r.Outcome.WalletTransaction).Aggregate(0UL, (sum, r) => checked(sum + r.Outcome.WalletFees))),
            results.FirstOrDefault(r => r.Paid == 0)?.Outcome.Words ?? first.Outcome.Words);
    }

    /// <summary>Channels of this wallet that are on the chain and not in this node's books, such as after the loss of a disk.</summary>
    /// <remarks>A provider is found by the key in its offers.</remarks>
    public async Task<RestoredChannelsDocument> RestoreAsync(CancellationToken cancellationToken)
    {
        ChannelRestorer restorer = services.GetService<ChannelRestorer>()
            ?? throw new CliException(ExitCode.Usage, "this node is no client", "only clients open channels", "Run it against a client's --data directory.");
        OfferBook book = services.GetRequiredService<OfferBook>();
        RestoredChannels restored = await restorer.RestoreAsync(
            terms => book.All().FirstOrDefault(o => terms.ProviderKey.Bytes.SequenceEqual(o.Offer.ProviderKey.Span))?.Peer, cancellationToken);
        return new RestoredChannelsDocument(
            ControlJson.Schema,
            [
                .. restored.Found.Select(c => new RestoredChannelDocument(
                    Friendly(c.Channel), c.Channel.ToString(), c.Peer.ToString(), ControlJson.Nanoton(c.Record.Deposit), ControlJson.Nanoton(c.HighestTotal))),
            ],
            [.. restored.Waiting.Select(Friendly)]);
    }

    /// <summary>What a watchtower needs to claim for this provider; vouchers pay nobody else.</summary>
    public WatchtowerFile Export() => WatchtowerFile.Of(
        services.GetService<ProviderLedger>() ?? throw new CliException(ExitCode.Usage, "this node is no provider", "only providers hold vouchers", "Run it against a provider's --data directory."),
        services.GetRequiredService<NetworkProfile>(),
        time.GetUtcNow());

    private async Task<PreviewDocument> PreviewCloseAsync(ClientChannel channel, bool alone, bool finish, CancellationToken cancellationToken)
    {
        ulong query = ClientChannels.QueryId();
        ChannelCloser closer = services.GetRequiredService<ChannelCloser>();
        if (finish && !await closer.IsRipeAsync(channel, cancellationToken))
        {
            PreviewDocument later = await previews.OfAsync("", [channel.Contract.FinishClose(query)], cancellationToken);
            return later with
            {
                Action = $"send nothing: the provider may claim until {MoneyWords.Time(channel.Record.CloseAt)}, then this node fetches the rest by itself: channel {Friendly(channel.Channel)}",
                ValueNanoton = "0",
                FeesNanoton = "0",
            };
        }

        long wait = finish || alone ? 0 : await closer.WaitBeforeTogetherAsync(channel, cancellationToken);
        (string action, InternalMessage message) = finish
            ? ("fetch what was not claimed", channel.Contract.FinishClose(query))
            : alone
                ? ($"start closing alone: the provider may claim for {channel.Record.Challenge} s, then the rest comes back", channel.Contract.StartClose(query))
                : ($"close together with the provider at {MoneyWords.Ton(channel.FinalVoucher(channel.Record.CloseTotal).Statement.Total)} TON; the rest comes back {(wait == 0 ? "at once" : $"in about {wait} s, when the channel's opening window is over: this command waits for it")}",
                    channel.Contract.CoopClose(channel.FinalVoucher(channel.Record.CloseTotal), new byte[64], query));
        return await previews.OfAsync($"{action}: channel {Friendly(channel.Channel)}", [message], cancellationToken);
    }

    private async Task<VerifiedOffer> FindOfferAsync(string provider, CancellationToken cancellationToken)
    {
        OfferBook book = services.GetRequiredService<OfferBook>();
        long since = time.GetTimestamp();
        while (true)
        {
            VerifiedOffer[] found = [.. book.All().Where(o => o.Peer.ToString().StartsWith(provider, StringComparison.Ordinal) || o.Peer.ToString().EndsWith(provider, StringComparison.Ordinal))];
            if (provider.Length > 0 && found.Select(o => o.Peer).Distinct().Count() == 1)
            {
                return found[0];
            }

            if (found.Length > 1 || time.GetElapsedTime(since) > OfferWait)
            {
                throw new CliException(
                    found.Length > 1 ? ExitCode.Usage : ExitCode.NotFound, found.Length > 1 ? $"'{provider}' names several providers" : $"no offer of '{provider}' is known", null, "See 'cocoon offers'.");
            }

            await Task.Delay(OfferPoll, time, cancellationToken);
        }
    }

    /// <summary>One that is in use; of one that has ended it is said how.</summary>
    private ClientChannel Find(ClientChannels channels, string id)
    {
        try
        {
            return ChannelFinder.Find(channels.Channels, c => c.Channel, id);
        }
        catch (CliException exception) when (exception.ExitCode == ExitCode.NotFound)
        {
            ClientChannelRecord ended = ChannelFinder.Find(services.GetRequiredService<ClientChannelStore>().List(MaxListed), r => r.Channel, id);
            throw new CliException(
                ExitCode.Payment,
                $"channel {Friendly(ended.Channel)} is closed",
                ended.SettleTransaction is { } settled ? $"it was settled by transaction {settled}" : "nothing is left on it",
                $"See 'cocoon channels show {Friendly(ended.Channel)}'.");
        }
    }

    private ClientChannels Client() => services.GetService<ClientChannels>() ?? throw new CliException(
        ExitCode.Usage, "this node opened no channels", "only light clients pay", "Run it against a light client's --data directory.");

    private static ulong Amount(string text) => WalletActions.Amount(text) is > 0 and var amount
        ? amount
        : throw new CliException(ExitCode.Usage, text == "0" ? "0 TON is no amount" : $"'{text}' is no amount", "an amount above zero is needed");

    private static string Friendly(Protocol.Ton.Cells.CellHash channel) => new TonAddress(0, channel).ToFriendly(bounceable: true);
}
