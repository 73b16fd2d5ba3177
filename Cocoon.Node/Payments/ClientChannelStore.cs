using Cocoon.Node.Storage;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Microsoft.Data.Sqlite;

namespace Cocoon.Node.Payments;

/// <summary>Tables <c>client_channel</c> and <c>client_spend</c>. What a call wrote is durable when it returns.</summary>
internal sealed class ClientChannelStore(CocoonDatabase database)
{
    private const string Columns = """
        channel, peer, payout, provider_key, code_hash, pay_key, client, challenge, open_before, expires_at, global_id, salt, created_at,
        deposit, state, highest_total, nonce, due, claimed, close_at, close_total, close_ack, fees, settle_tx, attended, may_owe, unconfirmed
        """;

    public ClientChannelRecord? Find(CellHash channel) =>
        database.Read(session => session.QueryFirst($"SELECT {Columns} FROM client_channel WHERE channel = $1", Map, channel.ToArray()));

    public IReadOnlyList<ClientChannelRecord> ListLive() => database.Read(session => session.Query(
        $"SELECT {Columns} FROM client_channel WHERE state IN ('opening', 'open', 'closing') ORDER BY created_at", Map));

    public IReadOnlyList<ClientChannelRecord> List(int limit) => database.Read(session => session.Query(
        $"SELECT {Columns} FROM client_channel ORDER BY created_at DESC LIMIT $1", Map, limit));

    public int CountOpenedUnattendedSince(DateTimeOffset since) => database.Read(session => session.QueryFirst(
        "SELECT count(*) FROM client_channel WHERE created_at > $1 AND attended = 0", row => row.GetInt32(0), since.ToUnixTimeSeconds()));

    /// <summary>Vouched on that UTC day.</summary>
    public ulong SpentOn(DateTimeOffset day) => database.Read(session => session.QueryFirst(
        "SELECT nanoton FROM client_spend WHERE day = $1", row => row.GetAmount(0), DayOf(day)));

    public Task AddAsync(ClientChannelRecord record, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute(
            """
            INSERT INTO client_channel (channel, peer, payout, provider_key, code_hash, pay_key, client, challenge, open_before, expires_at,
                global_id, salt, created_at, deposit, state, highest_total, nonce, due, attended, may_owe, unconfirmed)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
            """,
            record.Channel.ToArray(), record.Peer.ToString(), record.Payout.ToString(), record.ProviderKey.ToArray(), record.CodeHash.ToArray(),
            record.PayKey.ToArray(), record.Client.ToString(), record.Challenge, record.OpenBefore, record.ExpiresAt, record.GlobalId,
            unchecked((long)record.Salt), record.CreatedAt.ToUnixTimeSeconds(), record.Deposit, Word(record.State), record.HighestTotal,
            unchecked((long)record.Nonce), record.Due, record.Attended, record.MayOwe, record.Unconfirmed),
        cancellationToken);

    /// <summary>Forgets a channel whose opening never left the wallet.</summary>
    public Task RemoveUnsentAsync(CellHash channel, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute("DELETE FROM client_channel WHERE channel = $1 AND state = 'opening' AND highest_total = 0", channel.ToArray()), cancellationToken);

    /// <summary>Raises the highest total and the day's spending together, or neither.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="least">The total that is needed.</param>
    /// <param name="wanted">The total to raise to where the day's limit leaves as much.</param>
    /// <param name="nonce">Of the voucher.</param>
    /// <param name="dues">Told the new total; called in the transaction.</param>
    /// <param name="now">The time, for its UTC day.</param>
    /// <param name="dayLimit">nanoTON.</param>
    /// <param name="cancellationToken">Seen until the write is queued.</param>
    /// <returns>The total that is stored now.</returns>
    /// <exception cref="PaymentException">The day's limit does not allow it.</exception>
    public Task<ulong> RaiseTotalAsync(
        CellHash channel, ulong least, ulong wanted, ulong nonce, Func<ulong, ClientDues> dues, DateTimeOffset now, ulong dayLimit,
        CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            ulong before = session.QueryFirst("SELECT highest_total FROM client_channel WHERE channel = $1", row => row.GetAmount(0), channel.ToArray());
            if (least <= before)
            {
                return before;
            }

            long day = DayOf(now);
            ulong spent = session.QueryFirst("SELECT nanoton FROM client_spend WHERE day = $1", row => row.GetAmount(0), day);
            ulong left = dayLimit > spent ? dayLimit - spent : 0;
            if (least - before > left)
            {
                throw new PaymentException(
                    PaymentErrorCode.Limit, $"The day's limit of {MoneyWords.Ton(dayLimit)} TON is reached; raise --limit-day, or wait for tomorrow (UTC).");
            }

            ulong total = before + Math.Min(Math.Max(wanted, least) - before, left);
            session.Execute(
                "INSERT INTO client_spend VALUES ($1, $2) ON CONFLICT (day) DO UPDATE SET nanoton = nanoton + excluded.nanoton", day, total - before);
            ClientDues owed = dues(total);
            session.Execute(
                "UPDATE client_channel SET highest_total = $2, nonce = $3, due = $4, may_owe = $5, unconfirmed = $6 WHERE channel = $1",
                channel.ToArray(), total, unchecked((long)nonce), owed.Due, owed.MayOwe, owed.Unconfirmed);
            return total;
        },
        cancellationToken);

    public Task SaveDuesAsync(CellHash channel, Func<ClientDues> dues, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            ClientDues owed = dues();
            session.Execute(
                "UPDATE client_channel SET due = $2, may_owe = $3, unconfirmed = $4 WHERE channel = $1", channel.ToArray(), owed.Due, owed.MayOwe, owed.Unconfirmed);
        },
        cancellationToken);

    /// <summary>Spent for one application key on that UTC day; what is vouched for requests under way counts until they end.</summary>
    public ulong SpentOn(DateTimeOffset day, string key) => database.Read(session => session.QueryFirst(
        "SELECT nanoton FROM client_key_spend WHERE day = $1 AND key = $2", row => row.GetAmount(0), DayOf(day), key));

    /// <summary>Adds to what a key spent that day, or adds nothing.</summary>
    /// <exception cref="PaymentException">The key's limit for the day does not allow it.</exception>
    public Task ChargeKeyAsync(string key, DateTimeOffset now, ulong more, ulong dayLimit, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            ulong spent = session.QueryFirst(
                """
                INSERT INTO client_key_spend VALUES ($1, $2, $3) ON CONFLICT (day, key) DO UPDATE SET nanoton = nanoton + excluded.nanoton RETURNING nanoton
                """,
                row => row.GetAmount(0), DayOf(now), key, more);
            if (spent > dayLimit)
            {
                throw new PaymentException(
                    PaymentErrorCode.Limit, $"This application key's limit of {MoneyWords.Ton(dayLimit)} TON a day is reached; raise --limit-key-day, or wait for tomorrow (UTC).");
            }
        },
        cancellationToken);

    /// <summary>Takes back what a request of the key was allowed and did not cost.</summary>
    public Task ReturnToKeyAsync(string key, DateTimeOffset charged, ulong less, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute(
            "UPDATE client_key_spend SET nanoton = max(0, nanoton - $3) WHERE day = $1 AND key = $2", DayOf(charged), key, less),
        cancellationToken);

    /// <summary>Everything but what <see cref="RaiseTotalAsync"/> and <see cref="SaveDuesAsync"/> own.</summary>
    public Task SaveStateAsync(ClientChannelRecord record, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute(
            """
            UPDATE client_channel SET state = $2, deposit = $3, claimed = $4, close_at = $5, close_total = $6, close_ack = $7, fees = $8, settle_tx = $9
            WHERE channel = $1
            """,
            record.Channel.ToArray(), Word(record.State), record.Deposit, record.Claimed, record.CloseAt, record.CloseTotal, record.CloseAck,
            record.Fees, record.SettleTransaction),
        cancellationToken);

    private static long DayOf(DateTimeOffset now) => now.ToUnixTimeSeconds() / 86_400;

    private static string Word(ChannelPhase state) => state.ToString().ToLowerInvariant();

    private static TonAddress Address(string text) => TonAddress.TryParseRaw(text, out TonAddress address)
        ? address
        : throw new StorageException(StorageErrorCode.Corrupt, $"'{text}' is not an address.");

    private static ClientChannelRecord Map(SqliteDataReader row) => new()
    {
        Channel = new CellHash(row.GetBytes(0)),
        Peer = PeerId.Parse(row.GetString(1)),
        Payout = Address(row.GetString(2)),
        ProviderKey = new Ed25519PublicKey(row.GetBytes(3)),
        CodeHash = new CellHash(row.GetBytes(4)),
        PayKey = new Ed25519PublicKey(row.GetBytes(5)),
        Client = Address(row.GetString(6)),
        Challenge = row.GetUInt32(7),
        OpenBefore = row.GetUInt32(8),
        ExpiresAt = row.GetUInt32(9),
        GlobalId = row.GetInt32(10),
        Salt = unchecked((ulong)row.GetInt64(11)),
        CreatedAt = DateTimeOffset.FromUnixTimeSeconds(row.GetInt64(12)),
        Deposit = row.GetAmount(13),
        State = Enum.Parse<ChannelPhase>(row.GetString(14), ignoreCase: true),
        HighestTotal = row.GetAmount(15),
        Nonce = unchecked((ulong)row.GetInt64(16)),
        Due = row.GetAmount(17),
        Claimed = row.GetAmount(18),
        CloseAt = row.GetUInt32(19),
        CloseTotal = row.IsDBNull(20) ? null : row.GetAmount(20),
        CloseAck = row.GetBytesOrNull(21),
        Fees = row.GetAmount(22),
        SettleTransaction = row.GetStringOrNull(23),
        Attended = row.GetBoolean(24),
        MayOwe = row.GetAmount(25),
        Unconfirmed = row.GetAmount(26),
    };
}
