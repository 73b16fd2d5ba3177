using System.Net.Sockets;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Adnl;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>A lite-server: where it listens, and the key it must hold.</summary>
internal sealed record LiteServerEndpoint(string Host, int Port, Ed25519PublicKey Key);

/// <summary>Typed queries to one lite-server, over a connection made when needed and made again after a loss.</summary>
internal sealed class LiteServer(LiteServerEndpoint endpoint, TimeSpan queryTimeout, TimeProvider time) : IAsyncDisposable
{
    private static readonly BocLimits s_limits = new() { MaxBytes = AdnlConnection.MaxPacket, MaxCells = 400_000, MaxRoots = 256 };

    private static readonly TimeSpan s_firstRest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestRest = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _connecting = new(1);
    private AdnlConnection? _connection;
    private TimeSpan _rest = s_firstRest;
    private long _restsUntil;

    public LiteServerEndpoint Endpoint => endpoint;

    public async Task<BlockId> GetLastBlockAsync(CancellationToken cancellationToken)
    {
        byte[] answer = await QueryAsync(new TlWriter().UInt32(TlConstructors.GetMasterchainInfo), cancellationToken);
        TlReader reader = Expect(answer, TlConstructors.MasterchainInfo);
        return BlockId.Read(ref reader);
    }

    /// <summary>The masterchain block with this number, as this server knows it.</summary>
    public async Task<BlockId> LookupBlockAsync(uint seqno, CancellationToken cancellationToken)
    {
        byte[] answer = await QueryAsync(
            new TlWriter().UInt32(TlConstructors.LookupBlock).UInt32(1).Int32(BlockId.Masterchain).UInt64(BlockId.WholeShard).UInt32(seqno), cancellationToken);
        TlReader reader = Expect(answer, TlConstructors.BlockHeader);
        return BlockId.Read(ref reader);
    }

    public async Task<AccountProof> GetAccountStateAsync(BlockId block, TonAddress address, CancellationToken cancellationToken)
    {
        TlWriter query = new TlWriter().UInt32(TlConstructors.GetAccountState);
        block.Write(query);
        byte[] answer = await QueryAsync(query.Int32(address.Workchain).Int256(address.Id), cancellationToken);
        TlReader reader = Expect(answer, TlConstructors.AccountState);
        return AccountProof.Read(ref reader);
    }

    public async Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(TonAddress address, int count, TransactionId from, CancellationToken cancellationToken)
    {
        TlWriter query = new TlWriter().UInt32(TlConstructors.GetTransactions)
            .Int32(count).Int32(address.Workchain).Int256(address.Id).UInt64(from.LogicalTime).Int256(from.Hash);
        byte[] answer = await QueryAsync(query, cancellationToken);
        TlReader reader = Expect(answer, TlConstructors.TransactionList);
        for (int blocks = reader.ReadCount(BlockId.Size); blocks > 0; blocks--)
        {
            BlockId.Read(ref reader);
        }

        ReadOnlySpan<byte> boc = reader.ReadBytes();
        return boc.IsEmpty ? [] : Array.ConvertAll(BocReader.Read(boc, s_limits), TonTransaction.Read);
    }

    /// <returns>The server's status; 1 means accepted for broadcast.</returns>
    public async Task<int> SendMessageAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken)
    {
        byte[] answer = await QueryAsync(new TlWriter().UInt32(TlConstructors.SendMessage).Bytes(boc.Span), cancellationToken);
        TlReader reader = Expect(answer, TlConstructors.SendMessageStatus);
        return reader.ReadInt32();
    }

    public async Task<GetMethodResult> RunMethodAsync(
        BlockId block, TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken)
    {
        TlWriter query = new TlWriter().UInt32(TlConstructors.RunSmcMethod).UInt32(4);
        block.Write(query);
        query.Int32(address.Workchain).Int256(address.Id).UInt64((ulong)Checksums.MethodId(method)).Bytes(BocWriter.Write(StackValue.WriteStack(stack)));
        byte[] answer = await QueryAsync(query, cancellationToken);
        TlReader reader = Expect(answer, TlConstructors.RunMethodResult);
        uint mode = reader.ReadUInt32();
        BlockId.Read(ref reader);
        BlockId.Read(ref reader);
        foreach (int bit in (ReadOnlySpan<int>)[0, 0, 1, 3, 4])
        {
            if ((mode & (1u << bit)) != 0)
            {
                reader.ReadBytes();
            }
        }

        int exitCode = reader.ReadInt32();
        return new GetMethodResult(exitCode, 0, (mode & 4) != 0 ? StackValue.ReadStack(BocReader.ReadSingle(reader.ReadBytes(), s_limits)) : []);
    }

    /// <summary>The parameter, proven under the block.</summary>
    public async Task<Cell> GetConfigParamAsync(BlockId block, int id, CancellationToken cancellationToken)
    {
        TlWriter query = new TlWriter().UInt32(TlConstructors.GetConfigParams).UInt32(0);
        block.Write(query);
        byte[] answer = await QueryAsync(query.UInt32(1).Int32(id), cancellationToken);
        TlReader reader = Expect(answer, TlConstructors.ConfigInfo);
        reader.ReadUInt32();
        BlockId.Read(ref reader);
        Cell blockProof = BocReader.ReadSingle(reader.ReadBytes(), s_limits);
        Cell stateProof = BocReader.ReadSingle(reader.ReadBytes(), s_limits);
        if (!ShardState.Open(block, blockProof, stateProof).TryGetConfig(id, out Cell? parameter))
        {
            throw new TonException(TonErrorCode.Refused, $"the configuration has no parameter {id}");
        }

        return parameter.LevelMask == 0
            ? parameter
            : throw new TonException(TonErrorCode.ProofInvalid, $"parts of parameter {id} are left out of the proof");
    }

    /// <summary>A part of the way from a trusted masterchain block to another.</summary>
    public async Task<BlockProof> GetBlockProofAsync(BlockId trusted, BlockId target, CancellationToken cancellationToken)
    {
        TlWriter query = new TlWriter().UInt32(TlConstructors.GetBlockProof).UInt32(1);
        trusted.Write(query);
        target.Write(query);
        byte[] answer = await QueryAsync(query, cancellationToken);
        TlReader reader = Expect(answer, TlConstructors.PartialBlockProof);
        return BlockProof.Read(ref reader);
    }

    public async ValueTask DisposeAsync()
    {
        if (_connection is { } connection)
        {
            await connection.DisposeAsync();
        }

        _connecting.Dispose();
    }

    private static TlReader Expect(byte[] answer, uint constructor)
    {
        TlReader reader = new(answer);
        uint found = reader.ReadUInt32();
        if (found == constructor)
        {
            return reader;
        }

        if (found != TlConstructors.LiteError)
        {
            throw TonException.Malformed($"answer {found:x8} where {constructor:x8} was expected");
        }

        int code = reader.ReadInt32();
        string text = reader.ReadString();
        string words = $"lite-server error {code}: {text[..Math.Min(text.Length, 300)]}";
        throw ExternalRefusal.IsOne(text) ? ExternalRefusal.Of(words) : new TonException(TonErrorCode.Refused, words);
    }

    /// <summary>A server that cannot be reached is not asked again for a while, so that it does not hold up every call.</summary>
    private async Task<byte[]> QueryAsync(TlWriter function, CancellationToken cancellationToken)
    {
        if (time.GetTimestamp() < Volatile.Read(ref _restsUntil))
        {
            throw new TonException(TonErrorCode.Unreachable, $"lite-server {endpoint.Host}:{endpoint.Port} could not be reached a moment ago");
        }

        try
        {
            byte[] answer = await ExchangeAsync(function, cancellationToken);
            _rest = s_firstRest;
            return answer;
        }
        catch (TonException fault) when (fault.Code == TonErrorCode.Unreachable)
        {
            Volatile.Write(ref _restsUntil, time.GetTimestamp() + (long)(_rest.TotalSeconds * time.TimestampFrequency));
            _rest = _rest * 2 < s_longestRest ? _rest * 2 : s_longestRest;
            throw;
        }
    }

    private async Task<byte[]> ExchangeAsync(TlWriter function, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(queryTimeout, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        try
        {
            AdnlConnection connection = await ConnectAsync(linked.Token);
            return await connection.QueryAsync(new TlWriter().UInt32(TlConstructors.LiteQuery).Bytes(function.ToArray()).ToArray(), linked.Token);
        }
        catch (OperationCanceledException fault) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TonException(TonErrorCode.Unreachable, $"lite-server {endpoint.Host}:{endpoint.Port} did not answer in time", fault);
        }
    }

    private async Task<AdnlConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        await _connecting.WaitAsync(cancellationToken);
        try
        {
            if (_connection is { IsAlive: true } alive)
            {
                return alive;
            }

            if (_connection is { } dead)
            {
                _connection = null;
                await dead.DisposeAsync();
            }

            Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(endpoint.Host, endpoint.Port, cancellationToken);
            }
            catch (SocketException fault)
            {
                socket.Dispose();
                throw new TonException(TonErrorCode.Unreachable, $"lite-server {endpoint.Host}:{endpoint.Port} cannot be reached", fault);
            }
            catch
            {
                socket.Dispose();
                throw;
            }

            return _connection = await AdnlConnection.StartAsync(new NetworkStream(socket, ownsSocket: true), endpoint.Key, time, cancellationToken);
        }
        finally
        {
            _connecting.Release();
        }
    }
}
