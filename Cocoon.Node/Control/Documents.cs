using System.Text.Json;

namespace Cocoon.Node.Control;

/// <summary>Serialisation of every control document: snake_case names, amounts as decimal strings of nanoTON, <c>null</c> for unknown.</summary>
internal static class ControlJson
{
    public const int Schema = 1;

    public static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>An amount in nanoTON as JSON carries it: 64-bit integers do not survive every JSON reader.</summary>
    public static string Nanoton(ulong amount) => amount.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <param name="LeastRelays">Privacy relays below which this client never goes; <c>null</c> on a node that asks no providers.</param>
/// <param name="Engine">The first of <paramref name="Engines"/>, one for each model served; <c>null</c> on a node that serves none.</param>
internal sealed record StatusDocument(
    int Schema,
    string Version,
    string Network,
    string Role,
    string PeerId,
    IReadOnlyList<string> Addresses,
    double UptimeSeconds,
    string? ApiUrl,
    int? LeastRelays,
    StatusDocument.PeerCounts Peers,
    int OffersSeen,
    StatusDocument.ChainState Chain,
    StatusDocument.EngineState? Engine,
    IReadOnlyList<StatusDocument.EngineState> Engines,
    StatusDocument.WalletState? Wallet,
    StatusDocument.Today Served)
{
    internal sealed record PeerCounts(int Connected, int Relayed, int DhtTable);

    /// <param name="LagSeconds">Age of the newest block seen, by the local clock; <c>null</c> before the first.</param>
    internal sealed record ChainState(bool Reachable, string Endpoint, string Proof, long? TimeUnix, double? LagSeconds, string? Problem);

    internal sealed record EngineState(
        string Status, string? Model, string? ModelId, string? Quantisation, string? Tier, string? EvidenceKind, uint SlotsTotal, uint SlotsBusy, uint Queued,
        double? TokensPerSecond, string? Engine, string? Problem, int ProcessId);

    /// <param name="MissingToClaimNanoton">What the wallet lacks to send one claim; <c>null</c> when it can, or its balance is not known, or nothing is to be claimed by this node.</param>
    internal sealed record WalletState(
        string Address, string? BalanceNanoton, int ChannelsIn, int ChannelsOut, string RedeemableNanoton, string AtRiskNanoton, string? MissingToClaimNanoton);

    internal sealed record Today(long Requests, string EarnedNanoton, long Declined, IReadOnlyDictionary<string, long> DeclinedByReason);
}

internal sealed record OffersDocument(int Schema, IReadOnlyList<OffersDocument.Row> Offers)
{
    /// <param name="PricePrompt">nanoTON per 10⁶ tokens, decimal string, as all prices.</param>
    /// <param name="ExpectedTtftMs">The part of <paramref name="ExpectedMs"/> until the first token.</param>
    /// <param name="Cache"><c>warm</c> while the provider should hold a prompt that it read for this client; the fields after it are of that reading.</param>
    /// <param name="Bond">Address of the provider's stake, once this client has read it on chain.</param>
    /// <param name="ExpectedMs">The router's estimate until the last token of a typical request; only with <c>--explain</c>, as the fields below that judge.</param>
    /// <param name="Verdict"><c>chosen</c>, <c>candidate</c> or <c>rejected: word</c>; only with <c>--explain</c>.</param>
    internal sealed record Row(
        int? Rank,
        string Peer,
        string? Name,
        string Model,
        string ModelId,
        string Quantisation,
        string Tier,
        string EvidenceKind,
        string PricePrompt,
        string PriceCached,
        string PriceCompletion,
        uint ContextTokens,
        uint SlotsFree,
        uint SlotsTotal,
        uint Queue,
        double ClaimedTokensPerSecond,
        double? MeasuredTokensPerSecond,
        double? TtftMs,
        double? ExpectedTtftMs,
        double? ExpectedMs,
        double Reliability,
        int Answers,
        double? Score,
        string? ExpectedCostNanoton,
        string? Verdict,
        double AgeSeconds,
        double ExpiresInSeconds,
        string Payout,
        string? Cache,
        double? CacheAgeSeconds,
        uint? CachePromptTokens,
        uint? CacheCachedTokens,
        string? Bond);
}

/// <summary>An error of the control API, in the three parts the command line prints.</summary>
internal sealed record ControlErrorDocument(ControlErrorDocument.Detail Error)
{
    internal sealed record Detail(string What, string? Why, string? Fix, int ExitCode)
    {
        /// <summary>Of a wallet that holds too little.</summary>
        public string? NeededNanoton { get; init; }

        public string? AvailableNanoton { get; init; }

        /// <summary>Where money should be sent.</summary>
        public string? Address { get; init; }
    }
}

/// <param name="TiedUpNanoton">In channels that we opened, as far as it is not owed.</param>
/// <param name="RentNanoton">Beside that in the same channels; it comes back when they close.</param>
/// <param name="SpentTodayNanoton">Vouched on this UTC day; <c>null</c> on a node that does not pay.</param>
internal sealed record WalletDocument(
    int Schema, string Network, string Address, string RawAddress, string? BalanceNanoton, string? TiedUpNanoton, string? RentNanoton, string? RedeemableNanoton, string? SpentTodayNanoton);

internal sealed record SentDocument(int Schema, string? Transaction, string AmountNanoton, string FeesNanoton, string Words);

internal sealed record ChannelsDocument(int Schema, IReadOnlyList<ChannelsDocument.Row> Channels)
{
    /// <param name="AtRiskNanoton">Incoming: served and not vouched. Outgoing: vouched and not owed.</param>
    internal sealed record Row(
        string Address,
        string Channel,
        string Direction,
        string? Peer,
        string Counterparty,
        string State,
        string DepositNanoton,
        string SpentNanoton,
        string VoucheredNanoton,
        long Vouchers,
        string RedeemedNanoton,
        string AtRiskNanoton,
        string FeesNanoton,
        uint CloseAt,
        uint ExpiresAt,
        int LiveSessions,
        string? SettleTx,
        string NextStep);
}

/// <param name="FeesNanoton">All that opening and closing cost the client, beside what the provider got.</param>
internal sealed record SettlementDocument(
    int Schema, string Channel, string SettleTx, string PaidNanoton, string ClaimedTotalNanoton, string RefundedNanoton, string FeesNanoton, string Payout);

internal sealed record ClaimDocument(
    int Schema, string Channel, string? Transaction, string PaidNanoton, string LeftNanoton, string FeesNanoton, string Words);
