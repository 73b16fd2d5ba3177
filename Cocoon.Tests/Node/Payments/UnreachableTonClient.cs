using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Tests.Node.Payments;

/// <summary>A chain that never answers.</summary>
internal sealed class UnreachableTonClient : ITonClient
{
    public Task<TonAccount> GetAccountAsync(TonAddress address, CancellationToken cancellationToken) => Task.FromException<TonAccount>(Fault());

    public Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(
        TonAddress address, int limit, TransactionId? from, CancellationToken cancellationToken) =>
        Task.FromException<IReadOnlyList<TonTransaction>>(Fault());

    public Task<TonTransaction?> FindReceiverTransactionAsync(
        TonAddress source, TonAddress destination, ulong createdLt, CancellationToken cancellationToken) =>
        Task.FromException<TonTransaction?>(Fault());

    public Task SendBocAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken) => Task.FromException(Fault());

    public Task<GetMethodResult> RunGetMethodAsync(
        TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken) => Task.FromException<GetMethodResult>(Fault());

    public Task<Cell> GetConfigParamAsync(int id, CancellationToken cancellationToken) => Task.FromException<Cell>(Fault());

    public Task<ChainTime> GetChainTimeAsync(CancellationToken cancellationToken) => Task.FromException<ChainTime>(Fault());

    private static TonException Fault() => new(TonErrorCode.Unreachable, "the test has cut the chain off");
}
