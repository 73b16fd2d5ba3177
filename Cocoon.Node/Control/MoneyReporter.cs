using System.Globalization;
using Cocoon.Node.Cli;
using Cocoon.Node.Payments;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Sending;

namespace Cocoon.Node.Control;

/// <summary>Wallet and channels as the control API shows them, and the few things an owner does with them.</summary>
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
        return new StatusDocument.WalletState(
            Friendly(wallet.Address),
            await BalanceAsync(wallet, cancellationToken),
            channels.Count(c => c.Incoming),
            channels.Count(c => !c.Incoming),
            ControlJson.Nanoton(Sum(channels.Where(c => c.Incoming), c => c.Vouchered > c.Redeemed ? c.Vouchered - c.Redeemed : 0)),
            ControlJson.Nanoton(Sum(channels, c => c.AtRisk)));
    }

    public async Task<WalletDocument> WalletAsync(CancellationToken cancellationToken)
    {
        WalletAccount wallet = Wallet();
        return new WalletDocument(
            ControlJson.Schema, network.Name, Friendly(wallet.Address), wallet.Address.ToString(), await BalanceAsync(wallet, cancellationToken));
    }

    public async Task<SentDocument> SendAsync(SendRequest request, CancellationToken cancellationToken)
    {
        if (!TonAddress.TryParse(request.To, out TonAddress to) || !ulong.TryParse(request.AmountNanoton, CultureInfo.InvariantCulture, out ulong amount) || amount == 0)
        {
            throw new CliException(ExitCode.Usage, "that is no payment", "an address and an amount of nanoTON are needed");
        }

        SendOutcome outcome = await Wallet().PayAsync($"pay:{Guid.NewGuid():n}", to, amount, comment: null, cancellationToken);
        return outcome.Succeeded
            ? new SentDocument(ControlJson.Schema, outcome.WalletTransaction?.Hash.ToString(), ControlJson.Nanoton(amount), ControlJson.Nanoton(outcome.WalletFees), outcome.Words)
            : throw new PaymentException(PaymentErrorCode.Chain, outcome.Words);
    }

    public ChannelsDocument Channels() => new(ControlJson.Schema, [.. Snapshots().Select(Row)]);

    /// <summary>What each provider was vouched by this node, over all channels that it remembers.</summary>
    public IReadOnlyDictionary<PeerId, ulong> PaidByPeer() =>
        Snapshots().Where(c => c is { Incoming: false, Peer: not null }).GroupBy(c => c.Peer!).ToDictionary(g => g.Key, g => Sum(g, c => c.Vouchered));

    /// <param name="id">Account id or a unique beginning of it.</param>
    public async Task<SettlementDocument> CloseAsync(string id, CancellationToken cancellationToken)
    {
        ClientChannels channels = services.GetService<ClientChannels>() ?? throw NotAClient();
        ClientChannel channel = Find(channels.Channels, c => c.Channel, id);
        ClientChannelRecord before = channel.Record;
        ChannelSettlement settled = await services.GetRequiredService<ChannelCloser>().CloseTogetherAsync(channel, cancellationToken);
        return new SettlementDocument(
            ControlJson.Schema,
            Friendly(new TonAddress(0, settled.Channel), bounceable: true),
            settled.Transaction,
            ControlJson.Nanoton(settled.PaidToProvider),
            ControlJson.Nanoton(settled.ClaimedTotal),
            ControlJson.Nanoton(settled.Refunded),
            ControlJson.Nanoton(before.Fees + settled.WalletFees + (settled.ChannelFees ?? 0) + settled.RefundFees),
            before.Payout.ToString());
    }

    public async Task<ClaimDocument> ClaimAsync(string id, CancellationToken cancellationToken)
    {
        ProviderLedger ledger = services.GetService<ProviderLedger>()
            ?? throw new CliException(ExitCode.Usage, "this node is no provider", "only providers claim", "Run it against a provider's --data directory.");
        ProviderChannel channel = Find(ledger.Channels, c => c.Channel, id);
        IReadOnlyList<ClaimResult> results = await services.GetRequiredService<ClaimQueue>().ClaimAsync([channel], cancellationToken);
        ClaimResult result = results.Count > 0
            ? results[0]
            : throw new CliException(ExitCode.Payment, "there is nothing to claim", "every voucher of this channel was redeemed");
        return new ClaimDocument(
            ControlJson.Schema,
            Friendly(new TonAddress(0, result.Channel), bounceable: true),
            result.Outcome.ReceiverTransaction?.Hash.ToString() ?? result.Outcome.WalletTransaction?.Hash.ToString(),
            ControlJson.Nanoton(result.Paid),
            ControlJson.Nanoton(result.Left),
            ControlJson.Nanoton(result.Outcome.WalletFees),
            result.Outcome.Words);
    }

    private IEnumerable<ChannelSnapshot> Snapshots()
    {
        IEnumerable<ChannelSnapshot> outgoing = services.GetService<ClientChannelStore>()?.List(MaxListed).Select(ChannelSnapshot.Of) ?? [];
        IEnumerable<ChannelSnapshot> incoming = services.GetService<ProviderLedger>()?.Channels.Select(ChannelSnapshot.Of) ?? [];
        return outgoing.Concat(incoming);
    }

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

    private static T Find<T>(IReadOnlyList<T> channels, Func<T, CellHash> key, string id)
    {
        string wanted = TonAddress.TryParse(id, out TonAddress address) ? address.Id.ToString() : id.ToLowerInvariant();
        T[] found = [.. channels.Where(c =>
            key(c).ToString().StartsWith(wanted, StringComparison.OrdinalIgnoreCase)
            || Friendly(new TonAddress(0, key(c)), bounceable: true).StartsWith(id, StringComparison.Ordinal))];
        return found.Length switch
        {
            1 => found[0],
            0 => throw new CliException(ExitCode.NotFound, $"there is no channel '{id}' here", null, "See 'cocoon channels'."),
            _ => throw new CliException(ExitCode.Usage, $"'{id}' names {found.Length} channels", null, "Write more of the id."),
        };
    }

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

    private static CliException NotAClient() => new(
        ExitCode.Usage, "this node opened no channels", "only light clients pay", "Run it against a light client's --data directory.");

    private static ulong Sum(IEnumerable<ChannelSnapshot> channels, Func<ChannelSnapshot, ulong> amount) => channels.Aggregate(0UL, (sum, c) => checked(sum + amount(c)));

    private static string Friendly(TonAddress address, bool bounceable = false) => address.ToFriendly(bounceable);
}
