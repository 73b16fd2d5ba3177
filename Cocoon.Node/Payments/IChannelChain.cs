using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Payments;

/// <summary>What the books need of the chain. The edge at which tests put a chain of their own.</summary>
/// <remarks>Every failure is a <see cref="TonException"/>.</remarks>
internal interface IChannelChain
{
    /// <exception cref="TonException">No endpoint gave a usable answer.</exception>
    Task<ChannelAccount> ReadAsync(CellHash channel, CancellationToken cancellationToken);

    /// <summary>Chain time, Unix seconds.</summary>
    Task<uint> GetTimeAsync(CancellationToken cancellationToken);

    /// <summary>Newest first, from <paramref name="from"/> (inclusive), or from the newest one.</summary>
    Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(TonAddress account, int limit, TransactionId? from, CancellationToken cancellationToken);
}
