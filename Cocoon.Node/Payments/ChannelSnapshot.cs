using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>A channel as <c>cocoon channels</c> shows it. All amounts are nanoTON.</summary>
/// <param name="Incoming">We are paid through it.</param>
/// <param name="Peer">The provider; <c>null</c> of a channel in which we are paid (clients dial with fresh peer ids).</param>
/// <param name="Counterparty">The other side's wallet.</param>
/// <param name="Deposit">What the channel can pay over its life.</param>
/// <param name="Spent">Owed by sessions.</param>
/// <param name="Vouchered">Highest total signed.</param>
/// <param name="Redeemed">Paid out by the contract so far.</param>
/// <param name="AtRisk">Incoming: served and not vouched. Outgoing: vouched and not owed, lost if the provider keeps it.</param>
/// <param name="ExpiresAt">Chain time; 0 = never.</param>
/// <param name="NextStep">What will or can happen next, in words.</param>
internal sealed record ChannelSnapshot(
    bool Incoming,
    CellHash Channel,
    PeerId? Peer,
    TonAddress Counterparty,
    string State,
    ulong Deposit,
    ulong Spent,
    ulong Vouchered,
    long Vouchers,
    ulong Redeemed,
    ulong AtRisk,
    ulong Fees,
    uint CloseAt,
    uint ExpiresAt,
    int LiveSessions,
    string? SettleTransaction,
    DateTimeOffset CreatedAt,
    string NextStep)
{
    public static ChannelSnapshot Of(ClientChannelRecord record) => new(
        Incoming: false, record.Channel, record.Peer, record.Payout, record.State.ToString().ToLowerInvariant(), record.Deposit, record.Due,
        record.HighestTotal, checked((long)record.Nonce), record.Claimed,
        record.State is ChannelPhase.Open or ChannelPhase.Closing && record.HighestTotal > record.Due ? record.HighestTotal - record.Due : 0,
        record.Fees, record.CloseAt, record.ExpiresAt, 0, record.SettleTransaction, record.CreatedAt,
        record.State switch
        {
            ChannelPhase.Opening => "waits for its opening on the chain",
            ChannelPhase.Open => "ready to pay",
            ChannelPhase.Closing when record.CloseAck is not null => "closes together when its opening window is over",
            ChannelPhase.Closing => $"can be finished from {MoneyWords.Time(record.CloseAt)}",
            ChannelPhase.Closed => "done",
            _ => "did not open; done",
        });

    /// <summary>A channel in use: what its running sessions owe so far counts.</summary>
    public static ChannelSnapshot Of(ClientChannel channel) => Of(channel.Record) with { LiveSessions = channel.LiveSessions };

    /// <summary>A channel in which we were paid and whose account is gone.</summary>
    public static ChannelSnapshot OfEnded(ProviderChannelRecord record) => new(
        Incoming: true, record.Channel, null, record.Client, "closed", 0, record.Due, record.Voucher?.Statement.Total ?? 0, record.Vouchers, record.Claimed,
        0, 0, record.CloseAt, record.ExpiresAt, 0, null, record.CreatedAt, EndOf(record));

    public static ChannelSnapshot Of(ProviderChannel channel)
    {
        ProviderChannelRecord record = channel.Record;
        ChannelExposure exposure = channel.Exposure;
        string state = record.Gone ? "closed" : record.CloseAt != 0 || record.Closing ? "closing" : "open";
        string next = record.Gone ? EndOf(record)
            : record.CloseAt != 0 ? $"claimed before {MoneyWords.Time(record.CloseAt)}"
            : record.Closing ? "the client closes with our consent"
            : exposure.Unclaimed > 0 ? "claimed at the threshold, at expiry or when it closes"
            : "serves";
        return new ChannelSnapshot(
            Incoming: true, record.Channel, null, record.Client, state, exposure.Capacity, exposure.Due, exposure.Vouched, record.Vouchers, record.Claimed,
            record.Gone ? 0 : exposure.AtRisk, 0, record.CloseAt, record.ExpiresAt, exposure.LiveSessions, null, record.CreatedAt, next);
    }

    /// <summary>One closed together pays what both agreed on, less than was vouched; of one that the client ended alone the rest is lost.</summary>
    private static string EndOf(ProviderChannelRecord record) =>
        record.AckTotal is null && record.Voucher?.Statement.Total is { } vouched && vouched > record.Claimed
            ? $"ended before {MoneyWords.Ton(vouched - record.Claimed)} TON of vouchers were claimed: lost"
            : "done";
}
