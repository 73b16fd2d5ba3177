using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Tests.Protocol.Ton.Chain;

/// <summary>A client whose sends go wrong in chosen ways; everything else passes through.</summary>
internal sealed class FlakyTonClient(ITonClient inner) : ITonClient
{
    private readonly TaskCompletionSource _sent = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What happens to an external.</summary>
    public Func<ITonClient, ReadOnlyMemory<byte>, CancellationToken, Task> OnSend { get; set; } = (client, boc, token) => client.SendBocAsync(boc, token);

    /// <summary>What a reading of an account becomes.</summary>
    public Func<TonAccount, TonAccount> OnAccount { get; set; } = account => account;

    /// <summary>Transactions of an account in the place of its own; <c>null</c>: its own.</summary>
    public Func<TonAddress, IReadOnlyList<TonTransaction>?> OnTransactions { get; set; } = _ => null;

    /// <summary>Completes when the first external was to be sent.</summary>
    public Task FirstSend => _sent.Task;

    public List<byte[]> Sent { get; } = [];

    public async Task SendBocAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken)
    {
        lock (Sent)
        {
            Sent.Add(boc.ToArray());
        }

        try
        {
            await OnSend(inner, boc, cancellationToken);
        }
        finally
        {
            _sent.TrySetResult();
        }
    }

    public async Task<TonAccount> GetAccountAsync(TonAddress address, CancellationToken cancellationToken) =>
        OnAccount(await inner.GetAccountAsync(address, cancellationToken));

    public Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(TonAddress address, int limit, TransactionId? from, CancellationToken cancellationToken) =>
        OnTransactions(address) is { } shown ? Task.FromResult(shown) : inner.GetTransactionsAsync(address, limit, from, cancellationToken);

    public Task<TonTransaction?> FindReceiverTransactionAsync(TonAddress source, TonAddress destination, ulong createdLt, CancellationToken cancellationToken) =>
        inner.FindReceiverTransactionAsync(source, destination, createdLt, cancellationToken);

    public Task<GetMethodResult> RunGetMethodAsync(TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken) =>
        inner.RunGetMethodAsync(address, method, stack, cancellationToken);

    public Task<Cell> GetConfigParamAsync(int id, CancellationToken cancellationToken) => inner.GetConfigParamAsync(id, cancellationToken);

    public Task<ChainTime> GetChainTimeAsync(CancellationToken cancellationToken) => inner.GetChainTimeAsync(cancellationToken);
}
