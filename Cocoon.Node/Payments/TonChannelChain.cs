using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Payments;

/// <summary>Channels as a <see cref="ITonClient"/> shows them.</summary>
/// <param name="ownChain">The network is the user's own devnet: its single endpoint is taken at its word.</param>
internal sealed class TonChannelChain(ITonClient client, bool ownChain) : IChannelChain
{
    public async Task<ChannelAccount> ReadAsync(CellHash channel, CancellationToken cancellationToken)
    {
        TonAccount account = await client.GetAccountAsync(new TonAddress(0, channel), cancellationToken);
        ChannelState? state = account.IsActive && account.Data is { } data ? ChannelContract.ParseState(data) : null;
        return new ChannelAccount(
            channel, account.Code, state, account.Balance, account.SyncTime, ownChain || account.Assurance != AccountAssurance.Claimed);
    }

    public async Task<uint> GetTimeAsync(CancellationToken cancellationToken) => (await client.GetChainTimeAsync(cancellationToken)).Seconds;

    public Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(
        TonAddress account, int limit, TransactionId? from, CancellationToken cancellationToken) =>
        client.GetTransactionsAsync(account, limit, from, cancellationToken);
}
