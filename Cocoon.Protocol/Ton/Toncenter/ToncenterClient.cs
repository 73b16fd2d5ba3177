using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton.Toncenter;

/// <summary>
/// The toncenter-v2 JSON-RPC API. What it says about an account is one server's claim, <see cref="AccountAssurance.Claimed"/>,
/// or with several endpoints the agreement of two, <see cref="AccountAssurance.Quorum"/>.
/// </summary>
/// <remarks>
/// Thread-safe. Transactions and accounts are taken from the cells in the answers, not from their JSON projection.
/// The <see cref="HttpClient"/> is the caller's; its own time limit should be infinite.
/// </remarks>
internal sealed class ToncenterClient : ITonClient
{
    private const int MaxPage = 100;

    /// <summary>Endpoints asked about an account when there are several: two must agree, the third covers for one that is late or down.</summary>
    private const int MaxWitnesses = 3;

    private readonly ToncenterTransport _transport;
    private readonly int _witnesses;

    public ToncenterClient(HttpClient http, ToncenterOptions options, TimeProvider? time = null)
    {
        _transport = new ToncenterTransport(http, options, time ?? TimeProvider.System);
        _witnesses = Math.Min(MaxWitnesses, options.Endpoints.Select(endpoint => endpoint.Url.Authority).Distinct(StringComparer.OrdinalIgnoreCase).Count());
    }

    public AccountAssurance Assurance => _witnesses > 1 ? AccountAssurance.Quorum : AccountAssurance.Claimed;

    public async Task<TonAccount> GetAccountAsync(TonAddress address, CancellationToken cancellationToken)
    {
        const string method = "getAddressInformation";
        JsonObject parameters = new() { ["address"] = address.ToString() };
        if (_witnesses > 1)
        {
            List<TonAccount> readings = ReadEach(await _transport.CallEachAsync(method, parameters, MaxWitnesses, cancellationToken), address);
            foreach (TonAccount reading in readings)
            {
                // The older of two equal readings: its time is the one that both vouch for.
                TonAccount? other = readings.Find(candidate => !ReferenceEquals(candidate, reading) && SameState(candidate, reading));
                if (other is not null)
                {
                    return (other.SyncTime < reading.SyncTime ? other : reading) with { Assurance = AccountAssurance.Quorum };
                }
            }

            if (readings.Count > 0)
            {
                return readings[0];
            }
        }

        return ReadAccount(await _transport.CallAsync(method, parameters, cancellationToken), address);
    }

    private static List<TonAccount> ReadEach(IReadOnlyList<JsonElement> results, TonAddress address)
    {
        List<TonAccount> readings = [];
        foreach (JsonElement result in results)
        {
            try
            {
                readings.Add(ReadAccount(result, address));
            }
            catch (TonException)
            {
                // A server that writes nonsense is no witness.
            }
        }

        return readings;
    }

    private static bool SameState(TonAccount one, TonAccount other) =>
        (one.Status, one.Balance, one.Code, one.Data, one.LastTransaction) == (other.Status, other.Balance, other.Code, other.Data, other.LastTransaction);

    private static TonAccount ReadAccount(JsonElement result, TonAddress address) =>
        ToncenterJson.Read(result, json => new TonAccount(
            address,
            json.Text("state") switch
            {
                "active" => AccountStatus.Active,
                "frozen" => AccountStatus.Frozen,
                "uninitialized" => AccountStatus.Uninitialized,
                var other => throw TonException.Malformed($"account in the unknown state '{other}'"),
            },
            json.Amount("balance"),
            json.OptionalCell("code"),
            json.OptionalCell("data"),
            json.Property("last_transaction_id").TransactionId(),
            checked((uint)json.Number("sync_utime")),
            json.TryProperty("block_id", out JsonElement block) ? checked((uint)block.Number("seqno")) : 0));

    public async Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(
        TonAddress address, int limit, TransactionId? from, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        JsonObject parameters = new() { ["address"] = address.ToString(), ["limit"] = Math.Min(limit, MaxPage) };
        if (from is { } start)
        {
            parameters["archival"] = true;
            parameters["lt"] = start.LogicalTime.ToString(CultureInfo.InvariantCulture);
            parameters["hash"] = start.Hash.ToBase64();
        }

        JsonElement result = await _transport.CallAsync("getTransactions", parameters, cancellationToken);
        List<TonTransaction> transactions = ToncenterJson.Read(result, json =>
        {
            List<TonTransaction> list = [];
            foreach (JsonElement item in json.Items(MaxPage))
            {
                list.Add(TonTransaction.Read(item.OptionalCell("data") ?? throw TonException.Malformed("transaction without its cell")));
            }

            return list;
        });
        TransactionChain.Check(address, from, transactions);
        return transactions;
    }

    public async Task<TonTransaction?> FindReceiverTransactionAsync(
        TonAddress source, TonAddress destination, ulong createdLt, CancellationToken cancellationToken)
    {
        JsonObject parameters = new()
        {
            ["source"] = source.ToString(),
            ["destination"] = destination.ToString(),
            ["created_lt"] = createdLt.ToString(CultureInfo.InvariantCulture),
        };
        try
        {
            JsonElement result = await _transport.CallAsync("tryLocateResultTx", parameters, cancellationToken);
            TonTransaction found = ToncenterJson.Read(result, json =>
                TonTransaction.Read(json.OptionalCell("data") ?? throw TonException.Malformed("transaction without its cell")));
            return found.AccountId == destination.Id ? found : throw TonException.Malformed("transaction of another account");
        }
        catch (TonException fault) when (fault.Code == TonErrorCode.Refused)
        {
            return null;
        }
    }

    public async Task SendBocAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken) =>
        await _transport.SendAsync(Convert.ToBase64String(boc.Span), cancellationToken);

    public async Task<GetMethodResult> RunGetMethodAsync(
        TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken)
    {
        JsonArray input = [.. stack.Select(value => (JsonNode)ToncenterJson.StackInput(value))];
        JsonElement result = await _transport.CallAsync(
            "runGetMethod", new JsonObject { ["address"] = address.ToString(), ["method"] = method, ["stack"] = input }, cancellationToken);
        return ToncenterJson.Read(result, json => new GetMethodResult(
            (int)json.Number("exit_code"),
            json.TryProperty("gas_used", out JsonElement gas) ? (ulong)gas.GetInt64() : 0,
            [.. json.Property("stack").Items(1024).Select(ToncenterJson.StackOutput)]));
    }

    public async Task<Cell> GetConfigParamAsync(int id, CancellationToken cancellationToken)
    {
        JsonElement result = await _transport.CallAsync("getConfigParam", new JsonObject { ["config_id"] = id }, cancellationToken);
        return ToncenterJson.Read(result, json =>
            json.Property("config").OptionalCell("bytes") ?? throw TonException.Malformed($"configuration parameter {id} is empty"));
    }

    public async Task<ChainTime> GetChainTimeAsync(CancellationToken cancellationToken)
    {
        // The API gives a time only with an account; the zero account exists on every network.
        TonAccount account = await GetAccountAsync(new TonAddress(-1, default), cancellationToken);
        return new ChainTime(account.SyncTime, account.Seqno);
    }
}
