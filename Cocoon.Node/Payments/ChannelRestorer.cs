using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Payments;

/// <summary>What was found of a wallet's channels.</summary>
/// <param name="Waiting">Open on the chain, and not to be used before their provider is there and tells the last total.</param>
internal sealed record RestoredChannels(IReadOnlyList<ClientChannel> Found, IReadOnlyList<CellHash> Waiting);

/// <summary>Finds the wallet's channels again when only its 24 words are left: openings on the chain, last vouchers at the providers.</summary>
internal sealed partial class ChannelRestorer(
    ClientChannels channels, IChannelChain chain, IChainWallet wallet, IPayClient pay, ILogger<ChannelRestorer> logger)
{
    private const int PageSize = 50;
    private const int MaxPages = 40;

    /// <summary>Looks through the wallet's transactions for channels that still live and are not in the store.</summary>
    /// <param name="findPeer">The provider's peer, by what the channel's terms say; a channel whose provider is not known is left for a later run.</param>
    /// <exception cref="TonException">The chain did not answer.</exception>
    /// <exception cref="PaymentException">A provider shows what is no voucher of ours.</exception>
    public async Task<RestoredChannels> RestoreAsync(Func<ChannelTerms, PeerId?> findPeer, CancellationToken cancellationToken)
    {
        List<ClientChannel> restored = [];
        List<CellHash> waiting = [];
        TransactionId? from = null;
        for (int page = 0; page < MaxPages; page++)
        {
            IReadOnlyList<TonTransaction> transactions = await chain.GetTransactionsAsync(wallet.Address, PageSize, from, cancellationToken);
            foreach (TonTransaction transaction in transactions)
            {
                foreach (TonMessage sent in transaction.OutMessages)
                {
                    if (TryReadOpening(sent) is not { } terms || channels.IsRecorded(sent.Destination!.Value.Id)
                        || await chain.ReadAsync(sent.Destination.Value.Id, cancellationToken) is not { State.Opened: true } account)
                    {
                        continue;
                    }

                    if (findPeer(terms) is { } peer && await RestoreOneAsync(terms, peer, account, transaction.Now, cancellationToken) is { } channel)
                    {
                        restored.Add(channel);
                    }
                    else
                    {
                        waiting.Add(sent.Destination.Value.Id);
                    }
                }
            }

            if (transactions.Count == 0 || transactions[^1].Previous.LogicalTime == 0)
            {
                break;
            }

            from = transactions[^1].Previous;
        }

        return new RestoredChannels(restored, waiting);
    }

    /// <summary>A message of ours that deployed a channel whose pay key this wallet can derive.</summary>
    private ChannelTerms? TryReadOpening(TonMessage sent)
    {
        if (sent is not { OpCode: OpCodes.ChannelOpen, Destination: { Workchain: 0 } destination, StateInit: { Data: { } data, Code: { } code } }
            || code.Hash != ChannelContract.CodeHash)
        {
            return null;
        }

        try
        {
            ChannelTerms terms = ChannelContract.ParseState(data).Terms;
            using Ed25519PrivateKey payKey = ChannelTerms.DerivePayKey(wallet.Key, terms.ProviderKey, terms.GlobalId, terms.Salt);
            return payKey.PublicKey.Equals(terms.PayKey) && new ChannelContract(terms).Address == destination ? terms : null;
        }
        catch (TonException)
        {
            return null;
        }
    }

    private async Task<ClientChannel?> RestoreOneAsync(
        ChannelTerms terms, PeerId peer, ChannelAccount account, uint openedAt, CancellationToken cancellationToken)
    {
        CellHash id = new ChannelContract(terms).Address.Id;
        using Ed25519PrivateKey payKey = ChannelTerms.DerivePayKey(wallet.Key, terms.ProviderKey, terms.GlobalId, terms.Salt);
        PayResponse answer;
        try
        {
            answer = await pay.GetStateAsync(peer, id, payKey, cancellationToken);
        }
        catch (IOException unreachable)
        {
            // Without the last total a voucher could go backwards: the channel waits for its provider.
            Log.ProviderAway(logger, id, unreachable.Message);
            return null;
        }

        bool unused = answer.Refused?.Reason == PayRefused.Types.Reason.UnknownChannel;
        if (answer.State is null && !unused)
        {
            Log.ProviderAway(logger, id, answer.Refused?.Reason.ToString() ?? "no answer");
            return null;
        }

        ClientChannel channel = await channels.TakeInAsync(
            ClientChannelRecord.Of(terms, peer, account.Capacity, DateTimeOffset.FromUnixTimeSeconds(openedAt)) with { State = ChannelPhase.Open }, cancellationToken);
        await channels.RefreshAsync(channel, cancellationToken);
        if (answer.State?.Voucher is { } message)
        {
            if (VoucherVerifier.Read(message, id, out SignedVoucher? own) is { } unreadable)
            {
                throw new PaymentException(PaymentErrorCode.Provider, $"The provider shows a voucher that is not ours: {unreadable.Detail}.");
            }

            await channel.AdoptAsync(own!, answer.State.DueNanoton, cancellationToken);
        }

        Log.Restored(logger, id, channel.HighestTotal);
        return channel;
    }

    private static partial class Log
    {
        [LoggerMessage(4120, LogLevel.Information, "Found channel {Channel} again; {Total} nanoTON are vouched on it")]
        public static partial void Restored(ILogger logger, CellHash channel, ulong total);

        [LoggerMessage(4121, LogLevel.Warning, "Channel {Channel} cannot be used again before its provider tells the last total: {Detail}")]
        public static partial void ProviderAway(ILogger logger, CellHash channel, string detail);
    }
}
