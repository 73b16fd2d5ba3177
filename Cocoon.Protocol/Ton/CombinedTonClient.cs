using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton;

/// <summary>Lite-servers for what they prove, an HTTP API for what they lack and for when none can be reached.</summary>
/// <remarks>
/// A proof that does not hold is never replaced by a claim: only silence is. Each account says itself what stands behind it.
/// </remarks>
internal sealed class CombinedTonClient(LiteTonClient lite, ITonClient http) : ITonClient, IAsyncDisposable
{
    public AccountAssurance Assurance => lite.Assurance;

    public Task<TonAccount> GetAccountAsync(TonAddress address, CancellationToken cancellationToken) =>
        EitherAsync(client => client.GetAccountAsync(address, cancellationToken));

    public Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(TonAddress address, int limit, TransactionId? from, CancellationToken cancellationToken) =>
        EitherAsync(client => client.GetTransactionsAsync(address, limit, from, cancellationToken));

    /// <remarks>Lite-servers have no index of messages.</remarks>
    public Task<TonTransaction?> FindReceiverTransactionAsync(TonAddress source, TonAddress destination, ulong createdLt, CancellationToken cancellationToken) =>
        http.FindReceiverTransactionAsync(source, destination, createdLt, cancellationToken);

    /// <remarks>By both ways at once: the message is the same, and one that drops it costs nothing.</remarks>
    public async Task SendBocAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken)
    {
        TonException?[] faults = await Task.WhenAll(TrySendAsync(lite, boc, cancellationToken), TrySendAsync(http, boc, cancellationToken));
        if (Array.IndexOf(faults, null) < 0)
        {
            throw faults.FirstOrDefault(fault => fault!.Code == TonErrorCode.NotAccepted) ?? faults[0]!;
        }
    }

    public Task<GetMethodResult> RunGetMethodAsync(
        TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken) =>
        EitherAsync(client => client.RunGetMethodAsync(address, method, stack, cancellationToken));

    public Task<Cell> GetConfigParamAsync(int id, CancellationToken cancellationToken) =>
        EitherAsync(client => client.GetConfigParamAsync(id, cancellationToken));

    public Task<ChainTime> GetChainTimeAsync(CancellationToken cancellationToken) =>
        EitherAsync(client => client.GetChainTimeAsync(cancellationToken));

    public ValueTask DisposeAsync() => lite.DisposeAsync();

    private static async Task<TonException?> TrySendAsync(ITonClient client, ReadOnlyMemory<byte> boc, CancellationToken cancellationToken)
    {
        try
        {
            await client.SendBocAsync(boc, cancellationToken);
            return null;
        }
        catch (TonException fault)
        {
            return fault;
        }
    }

    private async Task<T> EitherAsync<T>(Func<ITonClient, Task<T>> ask)
    {
        try
        {
            return await ask(lite);
        }
        catch (TonException fault) when (fault.Code is TonErrorCode.Unreachable or TonErrorCode.RateLimited)
        {
            return await ask(http);
        }
    }
}
