using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>
/// The chain through lite-servers: a masterchain block that a quorum of them names, with an anchor also proven by its validators'
/// signatures, and Merkle proofs from it to accounts and configuration. <see cref="TonAccount.Assurance"/> says which.
/// </summary>
internal sealed class LiteTonClient : ITonClient, IAsyncDisposable
{
    private const int MaxPage = 16;

    private readonly LiteTonOptions _options;
    private readonly TimeProvider _time;
    private readonly LiteServer[] _servers;
    private readonly BlockTrust? _trust;
    private readonly SemaphoreSlim _agreeing = new(1);
    private BlockId? _block;
    private long _agreedAt;
    private int _preferred;

    public LiteTonClient(LiteTonOptions options, TimeProvider? time = null, ITrustedBlocks? memory = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Quorum, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Quorum, options.Servers.Count, nameof(options));
        _options = options;
        _time = time ?? TimeProvider.System;
        _trust = options.Anchor is { } anchor ? new BlockTrust(anchor, options, memory) : null;
        _servers = [.. options.Servers.Select(endpoint => new LiteServer(endpoint, options.QueryTimeout, _time))];
    }

    /// <summary>What stands behind every answer about an account.</summary>
    public AccountAssurance Assurance =>
        _trust is not null ? AccountAssurance.Proven : _options.Quorum > 1 ? AccountAssurance.Quorum : AccountAssurance.Claimed;

    public async Task<TonAccount> GetAccountAsync(TonAddress address, CancellationToken cancellationToken)
    {
        BlockId block = await AgreeOnBlockAsync(cancellationToken);
        return await FirstAsync(
            async server => (await server.GetAccountStateAsync(block, address, cancellationToken)).Verify(block, address) with { Assurance = Assurance });
    }

    public async Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(
        TonAddress address, int limit, TransactionId? from, CancellationToken cancellationToken)
    {
        TransactionId start = from ?? (await GetAccountAsync(address, cancellationToken)).LastTransaction;
        if (start.LogicalTime == 0)
        {
            return [];
        }

        return await FirstAsync(async server =>
        {
            IReadOnlyList<TonTransaction> transactions = await server.GetTransactionsAsync(address, Math.Min(limit, MaxPage), start, cancellationToken);
            TransactionChain.Check(address, start, transactions);
            return transactions;
        });
    }

    /// <remarks>Lite-servers have no index by message: always <c>null</c>.</remarks>
    public Task<TonTransaction?> FindReceiverTransactionAsync(
        TonAddress source, TonAddress destination, ulong createdLt, CancellationToken cancellationToken) => Task.FromResult<TonTransaction?>(null);

    public async Task SendBocAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken)
    {
        TonException?[] faults = await Task.WhenAll(_servers.Select(async server =>
        {
            try
            {
                int status = await server.SendMessageAsync(boc, cancellationToken);
                return status == 1 ? null : new TonException(TonErrorCode.Refused, $"the lite-server answered status {status}");
            }
            catch (TonException fault)
            {
                return fault;
            }
        }));
        if (Array.IndexOf(faults, null) < 0)
        {
            throw faults.FirstOrDefault(fault => fault!.Code == TonErrorCode.NotAccepted) ?? faults[0]!;
        }
    }

    public async Task<GetMethodResult> RunGetMethodAsync(
        TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken)
    {
        BlockId block = await AgreeOnBlockAsync(cancellationToken);
        return await FirstAsync(server => server.RunMethodAsync(block, address, method, stack, cancellationToken));
    }

    public async Task<Cell> GetConfigParamAsync(int id, CancellationToken cancellationToken)
    {
        BlockId block = await AgreeOnBlockAsync(cancellationToken);
        return await FirstAsync(server => server.GetConfigParamAsync(block, id, cancellationToken));
    }

    public async Task<ChainTime> GetChainTimeAsync(CancellationToken cancellationToken)
    {
        // A proof about any masterchain account carries the state, and with it the time, of the block.
        TonAccount account = await GetAccountAsync(new TonAddress(BlockId.Masterchain, default), cancellationToken);
        return new ChainTime(account.SyncTime, account.Seqno);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (LiteServer server in _servers)
        {
            await server.DisposeAsync();
        }

        _agreeing.Dispose();
    }

    /// <summary>The newest masterchain block that a quorum of servers names by the same hashes; never older than one agreed on before.</summary>
    internal async Task<BlockId> AgreeOnBlockAsync(CancellationToken cancellationToken)
    {
        await _agreeing.WaitAsync(cancellationToken);
        try
        {
            if (_block is { } recent && _time.GetElapsedTime(_agreedAt) < _options.BlockAge)
            {
                return recent;
            }

            BlockId?[] last = await AskAllAsync(server => server.GetLastBlockAsync(cancellationToken));
            uint[] seqnos = [.. last.Where(block => block is not null).Select(block => block!.Value.Seqno).OrderDescending()];
            if (seqnos.Length < _options.Quorum)
            {
                throw new TonException(TonErrorCode.Unreachable, $"{seqnos.Length} of {_servers.Length} lite-servers answered, {_options.Quorum} are needed");
            }

            uint seqno = Math.Max(seqnos[_options.Quorum - 1], _block?.Seqno ?? 0);
            BlockId?[] named = await AskAllAsync(async server =>
                last[Array.IndexOf(_servers, server)] is { } own && own.Seqno == seqno ? own : await server.LookupBlockAsync(seqno, cancellationToken));
            IGrouping<BlockId, BlockId>? agreed = named.OfType<BlockId>()
                .Where(block => block.Seqno == seqno && block is { Workchain: BlockId.Masterchain, Shard: BlockId.WholeShard })
                .GroupBy(block => block)
                .MaxBy(group => group.Count());
            if (agreed is null || agreed.Count() < _options.Quorum)
            {
                throw new TonException(TonErrorCode.ProofInvalid, $"the lite-servers do not agree on masterchain block {seqno}");
            }

            if (_trust is not null)
            {
                await ProveAsync(_trust, agreed.Key, cancellationToken);
            }

            _agreedAt = _time.GetTimestamp();
            _block = agreed.Key;
            return agreed.Key;
        }
        finally
        {
            _agreeing.Release();
        }
    }

    private Task<bool> ProveAsync(BlockTrust trust, BlockId block, CancellationToken cancellationToken) => FirstAsync(async server =>
    {
        await trust.ProveAsync(block, server, cancellationToken);
        return true;
    });

    private async Task<BlockId?[]> AskAllAsync(Func<LiteServer, Task<BlockId>> ask) =>
        await Task.WhenAll(_servers.Select(async server =>
        {
            try
            {
                return await ask(server);
            }
            catch (TonException)
            {
                return (BlockId?)null;
            }
        }));

    /// <summary>The first server whose answer can be used, starting with the last one that worked. One that lies about a proof is passed over like one that is down.</summary>
    private async Task<T> FirstAsync<T>(Func<LiteServer, Task<T>> ask)
    {
        TonException? worst = null;
        int first = Volatile.Read(ref _preferred);
        for (int i = 0; i < _servers.Length; i++)
        {
            int index = (first + i) % _servers.Length;
            try
            {
                T answer = await ask(_servers[index]);
                Volatile.Write(ref _preferred, index);
                return answer;
            }
            catch (TonException fault)
            {
                // What a server answered says more than that another was silent.
                worst = worst is null || worst.Code == TonErrorCode.Unreachable ? fault : worst;
            }
        }

        throw worst!;
    }
}
