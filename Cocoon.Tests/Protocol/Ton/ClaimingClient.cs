using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Tests.Protocol.Ton;

/// <summary>A server's answers that nothing stands behind, counted.</summary>
internal sealed class ClaimingClient : ITonClient
{
    public int Asked { get; private set; }

    /// <summary>Of the network it speaks for; <c>null</c>: its configuration does not say.</summary>
    public int? GlobalId { get; set; }

    public Task<TonAccount> GetAccountAsync(TonAddress address, CancellationToken cancellationToken)
    {
        Asked++;
        return Task.FromResult(new TonAccount(address, AccountStatus.Uninitialized, 77, null, null, default, 1, 1));
    }

    public Task<TonTransaction?> FindReceiverTransactionAsync(TonAddress source, TonAddress destination, ulong createdLt, CancellationToken cancellationToken)
    {
        Asked++;
        return Task.FromResult<TonTransaction?>(null);
    }

    public Task SendBocAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken)
    {
        Asked++;
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(TonAddress address, int limit, TransactionId? from, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<GetMethodResult> RunGetMethodAsync(TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<Cell> GetConfigParamAsync(int id, CancellationToken cancellationToken) => Task.FromResult(
        id == 19 && GlobalId is { } global ? new CellBuilder().StoreInt(global, 32).Build() : throw new TonException(TonErrorCode.Refused, $"no parameter {id}"));

    public Task<ChainTime> GetChainTimeAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
}
