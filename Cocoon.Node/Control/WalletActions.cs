using System.Globalization;
using Cocoon.Node.Cli;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;

namespace Cocoon.Node.Control;

/// <summary>What the owner sends from the node's wallet: payments, and messages that the command line made.</summary>
internal sealed class WalletActions(Previews previews)
{
    /// <summary>As many as a v5r1 external carries.</summary>
    private const int MaxMessages = 255;

    /// <summary>In place of an amount: everything that the wallet holds.</summary>
    internal const string All = "all";

    private const int MaxMessageText = 64 * 1024;

    public async Task<object> SendAsync(SendRequest request, CancellationToken cancellationToken)
    {
        TonAddress to = TypedAddress.Read(request.To);
        bool all = request.AmountNanoton == All;
        ulong amount = all ? 0 : Amount(request.AmountNanoton) ?? 0;
        if (!all && amount == 0)
        {
            throw new CliException(ExitCode.Usage, $"'{request.AmountNanoton}' is no amount to pay", "a positive number of nanoTON is needed");
        }

        InternalMessage message = new(to, amount, Bounce: false, string.IsNullOrEmpty(request.Comment) ? Cell.Empty : InternalMessage.Comment(request.Comment));
        if (request.DryRun)
        {
            return all ? await PreviewAllAsync(to, message, cancellationToken)
                : await previews.OfAsync($"pay {MoneyWords.Ton(amount)} TON to {to.ToFriendly(bounceable: false)}", [message], cancellationToken);
        }

        await previews.RequireAsync([message], cancellationToken);
        SendOutcome outcome = (await previews.Wallet.SendAsync([new PaymentIntent($"pay:{Guid.NewGuid():n}", message, all)], cancellationToken))[0];
        return outcome.Succeeded
            ? new SentDocument(ControlJson.Schema, outcome.WalletTransaction?.Hash.ToString(), ControlJson.Nanoton(all ? outcome.Value : amount), ControlJson.Nanoton(outcome.WalletFees), outcome.Words)
            : throw new PaymentException(PaymentErrorCode.Chain, outcome.Words);
    }

    private async Task<PreviewDocument> PreviewAllAsync(TonAddress to, InternalMessage message, CancellationToken cancellationToken)
    {
        PreviewDocument preview = await previews.OfAsync(
            $"pay everything to {to.ToFriendly(bounceable: false)}: nothing stays here, also not for closing or claiming channels", [message], cancellationToken);
        ulong balance = Amount(preview.BalanceNanoton) ?? 0, fees = Amount(preview.FeesNanoton) ?? 0;
        return preview with { ValueNanoton = ControlJson.Nanoton(balance > fees ? balance - fees : 0) };
    }

    public async Task<object> SendMessagesAsync(MessagesRequest request, CancellationToken cancellationToken)
    {
        InternalMessage[] messages = [.. request.Messages.Count is > 0 and <= MaxMessages
            ? request.Messages.Select(Read)
            : throw new CliException(ExitCode.Usage, $"1 to {MaxMessages} messages can be sent at once")];
        if (request.DryRun)
        {
            return await previews.OfAsync(request.Action, messages, cancellationToken);
        }

        await previews.RequireAsync(messages, cancellationToken);
        IReadOnlyList<SendOutcome> outcomes = await previews.Wallet.SendAsync(
            [.. messages.Select((message, i) => new PaymentIntent($"{request.Name}:{i}", message))], cancellationToken);
        return Describe(outcomes);
    }

    internal static MessageOutcomeDocument Describe(IReadOnlyList<SendOutcome> outcomes) => new(
        ControlJson.Schema,
        outcomes.All(o => o.Succeeded),
        outcomes.FirstOrDefault(o => !o.Succeeded)?.Words ?? outcomes[0].Words,
        outcomes[0].WalletTransaction?.Hash.ToString(),
        outcomes[0].ReceiverTransaction?.Hash.ToString(),
        ControlJson.Nanoton(outcomes[0].WalletFees),
        [.. outcomes.Select(o => o.Words)]);

    internal static ulong? Amount(string text) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong amount) && amount <= long.MaxValue ? amount : null;

    private static InternalMessage Read(string boc)
    {
        if (boc.Length > MaxMessageText)
        {
            throw new CliException(ExitCode.Usage, "a message is too large");
        }

        try
        {
            TonMessage message = TonMessage.Read(BocReader.ReadSingle(Convert.FromBase64String(boc)));
            return message is { Kind: TonMessageKind.Internal, Destination: { } to }
                ? new InternalMessage(to, message.Value, message.Bounce, message.Body) { StateInit = message.StateInit }
                : throw new CliException(ExitCode.Usage, "that is no internal message");
        }
        catch (Exception exception) when (exception is FormatException or TonException)
        {
            throw new CliException(ExitCode.Usage, "a message cannot be read", exception.Message);
        }
    }
}
