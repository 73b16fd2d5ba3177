using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton;

/// <summary>A client that hears and tells nothing before its servers said that they speak for the network that is meant.</summary>
/// <remarks>
/// Configuration parameter 19 is <c>global_id:int32</c> (block.tlb). A mistyped endpoint would else show the money of one network as that
/// of another, and send there. Servers that have no such parameter are believed: nothing is proven by it, a mistake is found.
/// </remarks>
internal sealed class SameNetworkClient(ITonClient client, TonNetwork network) : ITonClient, IAsyncDisposable
{
    private const int GlobalIdParameter = 19;
    private const int GlobalIdBits = 32;

    /// <summary>Of this many calls in a row the servers had no such parameter: they never will.</summary>
    private const int MostRefusals = 3;

    private volatile bool _isSame;
    private int _refusals;

    public AccountAssurance Assurance => client.Assurance;

    public async Task<TonAccount> GetAccountAsync(TonAddress address, CancellationToken cancellationToken)
    {
        await RequireAsync(cancellationToken);
        return await client.GetAccountAsync(address, cancellationToken);
    }

    public async Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(
        TonAddress address, int limit, TransactionId? from, CancellationToken cancellationToken)
    {
        await RequireAsync(cancellationToken);
        return await client.GetTransactionsAsync(address, limit, from, cancellationToken);
    }

    public async Task<TonTransaction?> FindReceiverTransactionAsync(
        TonAddress source, TonAddress destination, ulong createdLt, CancellationToken cancellationToken)
    {
        await RequireAsync(cancellationToken);
        return await client.FindReceiverTransactionAsync(source, destination, createdLt, cancellationToken);
    }

    public async Task SendBocAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken)
    {
        await RequireAsync(cancellationToken);
        await client.SendBocAsync(boc, cancellationToken);
    }

    public async Task<GetMethodResult> RunGetMethodAsync(
        TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken)
    {
        await RequireAsync(cancellationToken);
        return await client.RunGetMethodAsync(address, method, stack, cancellationToken);
    }

    public async Task<Cell> GetConfigParamAsync(int id, CancellationToken cancellationToken)
    {
        await RequireAsync(cancellationToken);
        return await client.GetConfigParamAsync(id, cancellationToken);
    }

    public async Task<ChainTime> GetChainTimeAsync(CancellationToken cancellationToken)
    {
        await RequireAsync(cancellationToken);
        return await client.GetChainTimeAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => client is IAsyncDisposable owned ? owned.DisposeAsync() : ValueTask.CompletedTask;

    /// <exception cref="TonException"><see cref="TonErrorCode.WrongNetwork"/>, or why nobody could be asked.</exception>
    private async ValueTask RequireAsync(CancellationToken cancellationToken)
    {
        if (_isSame)
        {
            return;
        }

        Cell parameter;
        try
        {
            parameter = await client.GetConfigParamAsync(GlobalIdParameter, cancellationToken);
        }
        catch (TonException fault) when (fault.Code is TonErrorCode.Refused or TonErrorCode.Malformed)
        {
            // Asked again with the next call: one server's error is not the network's.
            _isSame = Interlocked.Increment(ref _refusals) >= MostRefusals;
            return;
        }

        CellSlice slice = parameter.BeginParse();
        int id = slice.RemainingBits >= GlobalIdBits ? slice.LoadInt32() : throw TonException.Malformed("configuration parameter 19 is no global_id");
        if (id != network.GlobalId)
        {
            throw new TonException(
                TonErrorCode.WrongNetwork, $"the servers speak for {NameOf(id)}, not for {network.Name} (global id {network.GlobalId}): another --ton or --network is meant");
        }

        _isSame = true;
    }

    private static string NameOf(int id) =>
        new[] { TonNetwork.Mainnet, TonNetwork.Testnet, TonNetwork.Devnet }.FirstOrDefault(known => known.GlobalId == id) is { } other
            ? $"{other.Name} (global id {id})"
            : $"a network with the global id {id}";
}
