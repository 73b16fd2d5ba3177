using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Payments;

/// <summary>One transaction that has to do with a channel. All amounts are nanoTON.</summary>
/// <param name="Account"><c>wallet</c> (ours) or <c>channel</c>.</param>
/// <param name="What">The operation in words, with the exit code when it failed.</param>
/// <param name="Received">Value of the message that caused it.</param>
/// <param name="Sent">Value of the messages it sent.</param>
/// <param name="Fees">All that the network took because of it, forward fees included.</param>
/// <param name="Change">What it did to the account's balance.</param>
internal sealed record AuditEntry(string Account, uint Time, TransactionId Transaction, string What, ulong Received, ulong Sent, ulong Fees, Int128 Change);

/// <summary>A sum that must come out: what is left over is unexplained.</summary>
/// <param name="Unexplained">nanoTON; <c>null</c>: the endpoint no longer shows all that the sum needs.</param>
internal sealed record AuditCheck(string Name, string Equation, Int128? Unexplained);

/// <summary>A channel's whole life in money, from the transactions of the channel and of our wallet. All amounts are nanoTON.</summary>
/// <param name="SentByUs">Value of our messages to the channel.</param>
/// <param name="ReturnedToUs">Value of the channel's messages to our wallet.</param>
/// <param name="SentByOthers">Value of everybody else's messages to the channel: gas of claims, mostly.</param>
/// <param name="ReturnedToOthers">Value of the channel's messages to everybody else, payouts included when the payout is not ours.</param>
/// <param name="Redeemed">Paid out for vouchers, as the channel counts it.</param>
/// <param name="WalletFees">What our wallet's transactions with this channel cost.</param>
/// <param name="ChannelFees">What the channel's own transactions cost; the sender of each message pays, rent is the deposit's.</param>
/// <param name="LeftInChannel">Its balance now.</param>
/// <param name="WalletBefore">Our wallet's balance before the first of these transactions.</param>
/// <param name="WalletAfter">And after the last of them.</param>
/// <param name="OtherChange">What our wallet's other transactions did in between.</param>
internal sealed record ChannelAudit(
    IReadOnlyList<AuditEntry> Entries,
    ulong SentByUs,
    ulong ReturnedToUs,
    ulong SentByOthers,
    ulong ReturnedToOthers,
    ulong? Redeemed,
    ulong WalletFees,
    ulong ChannelFees,
    ulong LeftInChannel,
    Int128 WalletBefore,
    Int128 WalletAfter,
    Int128 OtherChange,
    IReadOnlyList<AuditCheck> Checks)
{
    public bool IsExact => Checks.All(check => check.Unexplained is not { } left || left == 0);

    /// <param name="wallet">Every transaction of our wallet, newest first.</param>
    /// <param name="channel">Every transaction of the channel, newest first.</param>
    /// <param name="walletIsWhole">The list reaches back to the wallet's first transaction.</param>
    /// <param name="channelIsWhole">The list reaches from the channel's first transaction to its last.</param>
    public static ChannelAudit Of(
        TonAddress channelAddress,
        ulong walletBalance,
        ulong channelBalance,
        IReadOnlyList<TonTransaction> wallet,
        IReadOnlyList<TonTransaction> channel,
        bool walletIsWhole,
        bool channelIsWhole)
    {
        TonTransaction[] ours = [.. wallet.Where(t => Concerns(t, channelAddress))];
        ulong sentByUs = Sum(ours.SelectMany(t => t.OutMessages).Where(m => m.Destination == channelAddress), m => m.Value);
        ulong returned = Sum(ours.Where(t => t.InMessage?.Source == channelAddress), t => t.InMessage!.Value);
        ulong walletFees = Sum(ours, t => t.NetworkFees);
        TonAddress? self = ours.Length > 0 ? new TonAddress(0, ours[0].AccountId) : null;
        ulong arrived = Sum(channel.Where(t => t.InMessage is { } m && m.Source == self), t => t.InMessage!.Value);
        ulong sentByOthers = Sum(channel.Where(t => t.InMessage is { } m && m.Source != self), t => t.InMessage!.Value);
        ulong toUs = Sum(channel.SelectMany(t => t.OutMessages).Where(m => m.Destination == self), m => m.Value);
        ulong toOthers = Sum(channel.SelectMany(t => t.OutMessages).Where(m => m.Destination != self), m => m.Value);
        ulong channelFees = Sum(channel, t => t.NetworkFees);

        (Int128 before, Int128 after, Int128 other) = Around(wallet, ours, walletBalance);
        other += ours.Aggregate((Int128)0, (sum, t) => sum + Beside(t, channelAddress));
        List<AuditCheck> checks =
        [
            new("channel", $"{arrived} from us + {sentByOthers} from others = {toUs} to us + {toOthers} to others + {channelFees} fees + {channelBalance} left",
                channelIsWhole ? (Int128)arrived + sentByOthers - toUs - toOthers - channelFees - channelBalance : null),
            new("messages", $"{sentByUs} sent to the channel = {arrived} arrived there; {toUs} sent to us = {returned} arrived here",
                channelIsWhole ? ((Int128)sentByUs - arrived) + ((Int128)toUs - returned) : null),
            new("wallet", $"{before} before − {sentByUs} sent + {returned} returned − {walletFees} fees {Signed(other)} by other transactions = {after} after",
                before - sentByUs + returned - walletFees + other - after),
            new("history", $"the sum of all {wallet.Count} transactions of the wallet = its balance of {walletBalance}",
                walletIsWhole ? wallet.Aggregate((Int128)0, (sum, t) => sum + t.BalanceChange) - walletBalance : null),
        ];
        AuditEntry[] entries =
        [
            .. ours.Select(t => Entry("wallet", t, channelAddress)).Concat(channel.Select(t => Entry("channel", t, channelAddress)))
                .OrderBy(e => e.Transaction.LogicalTime),
        ];
        return new ChannelAudit(
            entries, sentByUs, returned, sentByOthers, toOthers, Claimed(channel.Concat(ours)), walletFees, channelFees, channelBalance,
            before, after, other, checks);
    }

    private static bool Concerns(TonTransaction transaction, TonAddress channel) =>
        transaction.InMessage?.Source == channel || transaction.OutMessages.Any(m => m.Destination == channel);

    /// <summary>The wallet's balance around our transactions, counted back from what it is now.</summary>
    private static (Int128 Before, Int128 After, Int128 Other) Around(IReadOnlyList<TonTransaction> wallet, TonTransaction[] ours, ulong balance)
    {
        if (ours.Length == 0)
        {
            return (balance, balance, 0);
        }

        ulong first = ours[^1].LogicalTime, last = ours[0].LogicalTime;
        HashSet<ulong> own = [.. ours.Select(t => t.LogicalTime)];
        Int128 later = 0, within = 0, other = 0;
        foreach (TonTransaction transaction in wallet)
        {
            if (transaction.LogicalTime > last)
            {
                later += transaction.BalanceChange;
            }
            else if (transaction.LogicalTime >= first)
            {
                within += transaction.BalanceChange;
                other += own.Contains(transaction.LogicalTime) ? 0 : transaction.BalanceChange;
            }
        }

        return (balance - later - within, balance - later, other);
    }

    /// <summary>An external can carry messages to others beside those to this channel: what they took is not this channel's.</summary>
    private static Int128 Beside(TonTransaction transaction, TonAddress channel)
    {
        Int128 rest = transaction.BalanceChange + transaction.NetworkFees;
        rest -= transaction.InMessage is { } message && message.Source == channel ? message.Value : 0;
        foreach (TonMessage sent in transaction.OutMessages)
        {
            rest += sent.Destination == channel ? sent.Value : 0;
        }

        return rest;
    }

    private static AuditEntry Entry(string account, TonTransaction transaction, TonAddress channel) => new(
        account, transaction.Now, transaction.Id, Describe(account, transaction, channel), transaction.InMessage?.Value ?? 0,
        Sum(transaction.OutMessages, m => m.Value), transaction.NetworkFees, transaction.BalanceChange);

    private static string Describe(string account, TonTransaction transaction, TonAddress channel)
    {
        string[] sent = [.. transaction.OutMessages.Where(m => account == "channel" || m.Destination == channel).Select(Word)];
        string cause = transaction.InMessage is { Kind: TonMessageKind.Internal } message ? Word(message) : "";
        string words = account == "channel" ? cause
            : sent.Length > 0 ? $"send: {string.Join(", ", sent)}"
            : $"receive: {cause}";
        return transaction.Compute is { Success: false, Skipped: false } failed ? $"{words}, refused: {ExitCodes.Describe(failed.ExitCode)}"
            : account == "channel" && transaction.Destroyed ? $"{words}, the account ends"
            : words;
    }

    private static string Word(TonMessage message) => message.Bounced ? "bounced message"
        : message.OpCode is { } operation ? OpCodes.Describe(operation) ?? "other message"
        : "plain transfer";

    /// <summary>The channel says what it has paid in all in each payout and in the refund.</summary>
    private static ulong? Claimed(IEnumerable<TonTransaction> transactions)
    {
        ulong? claimed = null;
        foreach (TonMessage message in transactions.SelectMany(t => t.InMessage is { } m ? t.OutMessages.Append(m) : t.OutMessages))
        {
            if (ChannelContract.PaidInAll(message) is { } paid)
            {
                claimed = Math.Max(claimed ?? 0, paid);
            }
        }

        return claimed;
    }

    private static string Signed(Int128 amount) => amount < 0 ? $"− {-amount}" : $"+ {amount}";

    private static ulong Sum<T>(IEnumerable<T> items, Func<T, ulong> amount) => items.Aggregate(0UL, (sum, item) => checked(sum + amount(item)));
}
