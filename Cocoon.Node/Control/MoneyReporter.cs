using System.Globalization;
using Cocoon.Node.Cli;
using Cocoon.Node.Payments;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Control;

/// <summary>Wallet and channels as the control API shows them.</summary>
internal sealed class MoneyReporter(IServiceProvider services, NetworkProfile network, TimeProvider time)
{
    private const int MaxListed = 1000;

    private static readonly TimeSpan ChainWait = TimeSpan.FromSeconds(5);

    public async Task<StatusDocument.ChainState> ChainAsync(CancellationToken cancellationToken)
    {
        string endpoint = network.Lite is { } lite
            ? lite.Servers.Count == 1 ? "1 lite-server" : $"{lite.Servers.Count} lite-servers"
            : network.Endpoints.Count > 0 ? network.Endpoints[0].ToString() : "";
        if (endpoint.Length == 0)
        {
            return new StatusDocument.ChainState(false, "", "none", null, null, "this node uses no chain");
        }

        ITonClient ton = services.GetRequiredService<ITonClient>();
        string proof = ton.Assurance switch
        {
            AccountAssurance.Proven => "key-block",
            AccountAssurance.Quorum => "quorum",
            _ => "none",
        };

        try
        {
            using CancellationTokenSource limited = Limit(cancellationToken);
            ChainTime now = await ton.GetChainTimeAsync(limited.Token);
            return new StatusDocument.ChainState(true, endpoint, proof, now.Seconds, Math.Max(0, time.GetUtcNow().ToUnixTimeSeconds() - (double)now.Seconds), null);
        }
        catch (Exception exception) when (exception is TonException or OperationCanceledException)
        {
            return new StatusDocument.ChainState(false, endpoint, proof, null, null, exception is TonException ? exception.Message : "no answer in time");
        }
    }

    public async Task<StatusDocument.WalletState?> SummaryAsync(CancellationToken cancellationToken)
    {
        if (services.GetService<WalletAccount>() is not { } wallet)
        {
            return null;
        }

        ChannelSnapshot[] channels = [.. Snapshots()];
        string? balance = await BalanceAsync(wallet, cancellationToken);
        return new StatusDocument.WalletState(
            Friendly(wallet.Address),
            balance,
            channels.Count(c => c.Incoming),
            channels.Count(c => !c.Incoming),
            ControlJson.Nanoton(Redeemable(channels)),
            ControlJson.Nanoton(Sum(channels, c => c.AtRisk)),
            services.GetService<ProviderLedger>() is null ? null : MissingToClaim(balance, wallet.FeeReserve));
    }

    /// <summary>An owner learns it while the node earns, not when a channel closes.</summary>
    private static string? MissingToClaim(string? balance, ulong reserve) =>
        balance is not null && ulong.Parse(balance, CultureInfo.InvariantCulture) is var holds && holds < ChannelContract.GasValue + reserve
            ? ControlJson.Nanoton(ChannelContract.GasValue + reserve - holds)
            : null;

    public async Task<WalletDocument> WalletAsync(CancellationToken cancellationToken)
    {
        WalletAccount wallet = Wallet();
        ChannelSnapshot[] channels = [.. Snapshots()];
        return new WalletDocument(
            ControlJson.Schema, network.Name, Friendly(wallet.Address), wallet.Address.ToString(), await BalanceAsync(wallet, cancellationToken),
            ControlJson.Nanoton(Sum(channels.Where(c => !c.Incoming && c.State is "open" or "closing"), c => c.Deposit > c.Spent ? c.Deposit - c.Spent : 0)),
            ControlJson.Nanoton(ChannelContract.Reserve * (ulong)channels.Count(c => !c.Incoming && c.State is "open" or "closing")),
            ControlJson.Nanoton(Redeemable(channels)),
            services.GetService<ClientChannelStore>() is { } store ? ControlJson.Nanoton(store.SpentOn(time.GetUtcNow())) : null);
    }

    public ChannelsDocument Channels() => new(ControlJson.Schema, [.. All().Select(Row)]);

    /// <summary>What each provider was vouched by this node, over all channels that it remembers.</summary>
    public IReadOnlyDictionary<PeerId, ulong> PaidByPeer() =>
        Snapshots().Where(c => c is { Incoming: false, Peer: not null }).GroupBy(c => c.Peer!).ToDictionary(g => g.Key, g => Sum(g, c => c.Vouchered));

    /// <summary>One channel with every nanoton of its life, from the chain's transactions.</summary>
    /// <param name="id">Address, account id, or a unique beginning of either.</param>
    public async Task<ChannelStatementDocument> StatementAsync(string id, CancellationToken cancellationToken)
    {
        ChannelSnapshot channel = ChannelFinder.Find(All(), c => c.Channel, id);
        ChannelAudit audit = await new ChannelAuditor(services.GetRequiredService<ITonClient>()).AuditAsync(new TonAddress(0, channel.Channel), Wallet().Address, cancellationToken);
        return new ChannelStatementDocument(
            ControlJson.Schema,
            Row(channel) with { RedeemedNanoton = ControlJson.Nanoton(Math.Max(channel.Redeemed, audit.Redeemed ?? 0)) },
            new ChannelStatementDocument.Sums(
                ControlJson.Nanoton(audit.SentByUs), ControlJson.Nanoton(audit.ReturnedToUs), ControlJson.Nanoton(audit.SentByOthers),
                ControlJson.Nanoton(audit.ReturnedToOthers), audit.Redeemed is { } redeemed ? ControlJson.Nanoton(redeemed) : null,
                ControlJson.Nanoton(audit.WalletFees), ControlJson.Nanoton(audit.ChannelFees), ControlJson.Nanoton(audit.LeftInChannel),
                Signed(audit.WalletBefore), Signed(audit.WalletAfter), Signed(audit.OtherChange)),
            [.. audit.Entries.Select(e => new ChannelStatementDocument.Entry(
                e.Time, e.Account, e.What, ControlJson.Nanoton(e.Received), ControlJson.Nanoton(e.Sent), ControlJson.Nanoton(e.Fees), Signed(e.Change), e.Transaction.Hash.ToString()))],
            [.. audit.Checks.Select(c => new ChannelStatementDocument.Check(c.Name, c.Equation, c.Unexplained is { } left ? Signed(left) : null))],
            audit.IsExact);
    }

    private IEnumerable<ChannelSnapshot> Snapshots()
    {
        ClientChannels? inUse = services.GetService<ClientChannels>();
        IEnumerable<ChannelSnapshot> outgoing = services.GetService<ClientChannelStore>()?.List(MaxListed)
            .Select(record => inUse?.Find(record.Channel) is { } channel ? ChannelSnapshot.Of(channel) : ChannelSnapshot.Of(record)) ?? [];
        IEnumerable<ChannelSnapshot> incoming = services.GetService<ProviderLedger>()?.Channels.Select(ChannelSnapshot.Of) ?? [];
        return outgoing.Concat(incoming);
    }

    /// <summary>With those of earlier runs of this provider: its owner's books have no gaps.</summary>
    private IEnumerable<ChannelSnapshot> All() => Snapshots().Concat(EndedIncoming()).DistinctBy(c => (c.Incoming, c.Channel));

    /// <summary>An ended channel pays nothing more.</summary>
    private static ulong Redeemable(IEnumerable<ChannelSnapshot> channels) =>
        Sum(channels.Where(c => c is { Incoming: true, State: not "closed" }), c => c.Vouchered > c.Redeemed ? c.Vouchered - c.Redeemed : 0);

    private IEnumerable<ChannelSnapshot> EndedIncoming() =>
        services.GetService<ProviderChannelStore>()?.List(MaxListed).Where(r => r.Gone).Select(ChannelSnapshot.OfEnded) ?? [];

    private static ChannelsDocument.Row Row(ChannelSnapshot c) => new(
        Friendly(new TonAddress(0, c.Channel), bounceable: true),
        c.Channel.ToString(),
        c.Incoming ? "in" : "out",
        c.Peer?.ToString(),
        Friendly(c.Counterparty),
        c.State,
        ControlJson.Nanoton(c.Deposit),
        ControlJson.Nanoton(c.Spent),
        ControlJson.Nanoton(c.Vouchered),
        c.Vouchers,
        ControlJson.Nanoton(c.Redeemed),
        ControlJson.Nanoton(c.AtRisk),
        ControlJson.Nanoton(c.Fees),
        c.CloseAt,
        c.ExpiresAt,
        c.LiveSessions,
        c.SettleTransaction,
        c.NextStep);

    private static async Task<string?> BalanceAsync(WalletAccount wallet, CancellationToken cancellationToken)
    {
        try
        {
            using CancellationTokenSource limited = Limit(cancellationToken);
            return ControlJson.Nanoton(await wallet.GetBalanceAsync(limited.Token));
        }
        catch (Exception exception) when (exception is TonException or OperationCanceledException)
        {
            return null;
        }
    }

    private static CancellationTokenSource Limit(CancellationToken cancellationToken)
    {
        CancellationTokenSource limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(ChainWait);
        return limited;
    }

    private WalletAccount Wallet() => services.GetService<WalletAccount>() ?? throw new CliException(ExitCode.Usage, "this node has no wallet", "bootstrap nodes need none");

    private static ulong Sum(IEnumerable<ChannelSnapshot> channels, Func<ChannelSnapshot, ulong> amount) => channels.Aggregate(0UL, (sum, c) => checked(sum + amount(c)));

    private static string Signed(Int128 amount) => amount.ToString(CultureInfo.InvariantCulture);

    private static string Friendly(TonAddress address, bool bounceable = false) => address.ToFriendly(bounceable);
}
