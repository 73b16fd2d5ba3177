using System.Security.Cryptography;
using System.Text;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Microsoft.Data.Sqlite;

namespace Cocoon.Node.OpenAi;

/// <summary>Keys in the node's database: of each secret only its SHA-256, which is enough for 256 random bits.</summary>
/// <remarks>What a key spends is booked before a request leaves, and brought down to what it cost afterwards: a crash in between counts against the key.</remarks>
internal sealed class ApiKeyStore(CocoonDatabase database, TimeProvider time)
{
    public const int MaxKeys = 1000;
    private const string Prefix = "ck-";
    private const int IdLength = 8;

    private const string Columns = "id, name, tiers, limit_total, limit_day, spent, day, spent_day, requests, created_at";

    /// <summary>Whether there is any key; without one, every local application may ask.</summary>
    public bool Any => database.Read(s => s.QueryFirst("SELECT count(*) FROM api_key", r => r.GetInt64(0))) > 0;

    private long Today => time.GetUtcNow().ToUnixTimeSeconds() / 86_400;

    /// <summary>A new key with its secret, which is shown once and not kept.</summary>
    /// <exception cref="StorageException">The name is taken, or there are too many keys.</exception>
    public async Task<(ApiKey Key, string Secret)> CreateAsync(
        string name, IReadOnlyList<string> tiers, ulong? limit, ulong? dailyLimit, CancellationToken cancellationToken)
    {
        string id = RandomNumberGenerator.GetString("abcdefghijkmnpqrstuvwxyz23456789", IdLength);
        string secret = $"{Prefix}{id}-{RandomNumberGenerator.GetHexString(64, lowercase: true)}";
        ApiKey key = new(id, name, tiers, limit, dailyLimit, 0, Today, 0, 0, time.GetUtcNow());
        await database.WriteAsync(
            session =>
            {
                if (session.QueryFirst("SELECT count(*) FROM api_key", r => r.GetInt64(0)) >= MaxKeys)
                {
                    throw new StorageException(StorageErrorCode.Full, $"There are {MaxKeys} keys already: remove one first.");
                }

                if (session.QueryFirst("SELECT count(*) FROM api_key WHERE name = $1", r => r.GetInt64(0), name) > 0)
                {
                    throw new StorageException(StorageErrorCode.Exists, $"There is a key named '{name}' already.");
                }

                session.Execute(
                    "INSERT INTO api_key (id, name, hash, tiers, limit_total, limit_day, day, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                    id, name, Hash(secret), string.Join(',', tiers), limit, dailyLimit, key.Day, key.CreatedAt.ToUnixTimeSeconds());
            },
            cancellationToken);
        return (key, secret);
    }

    public IReadOnlyList<ApiKey> List() => database.Read(s => s.Query($"SELECT {Columns} FROM api_key ORDER BY created_at, id", Read));

    public ApiKey? Find(string secret) => secret.StartsWith(Prefix, StringComparison.Ordinal)
        ? database.Read(s => s.QueryFirst($"SELECT {Columns} FROM api_key WHERE hash = $1", Read, Hash(secret)))
        : null;

    /// <returns><c>false</c> when no key has this id or name.</returns>
    public async Task<bool> RemoveAsync(string idOrName, CancellationToken cancellationToken) =>
        await database.WriteAsync(s => s.Execute("DELETE FROM api_key WHERE id = $1 OR name = $1", idOrName), cancellationToken) > 0;

    /// <summary>Books up to <paramref name="wanted"/> for one request, durably.</summary>
    /// <returns>What was granted: less when the limits leave less, 0 when nothing is left or the key is gone.</returns>
    public Task<SpendReservation> ReserveAsync(string id, ulong wanted, CancellationToken cancellationToken)
    {
        long today = Today;
        return database.WriteAsync(
            session =>
            {
                if (session.QueryFirst($"SELECT {Columns} FROM api_key WHERE id = $1", Read, id) is not { } key)
                {
                    return new SpendReservation(0, today);
                }

                ulong spentToday = key.Day == today ? key.SpentToday : 0;
                ulong granted = Math.Min(wanted, Math.Min(Left(key.LimitNanoton, key.Spent), Left(key.DailyLimitNanoton, spentToday)));
                if (granted > 0)
                {
                    session.Execute(
                        "UPDATE api_key SET spent = spent + $1, spent_day = $2, day = $3, requests = requests + 1 WHERE id = $4", granted, spentToday + granted, today, id);
                }

                return new SpendReservation(granted, today);
            },
            cancellationToken);
    }

    /// <summary>Gives back what a request did not cost: to the whole limit always, to the day's only while the day lasts.</summary>
    public Task ReleaseAsync(string id, SpendReservation reservation, ulong unspent) => database.WriteAsync(
        session => session.Execute(
            "UPDATE api_key SET spent = max(0, spent - $1), spent_day = CASE WHEN day = $2 THEN max(0, spent_day - $1) ELSE spent_day END WHERE id = $3",
            unspent, reservation.Day, id),
        CancellationToken.None);

    private static ulong Left(ulong? limit, ulong spent) => limit is not { } most ? ulong.MaxValue : most > spent ? most - spent : 0;

    private static byte[] Hash(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));

    private static ApiKey Read(SqliteDataReader row) => new(
        row.GetString(0),
        row.GetString(1),
        row.GetString(2).Split(',', StringSplitOptions.RemoveEmptyEntries),
        row.IsDBNull(3) ? null : row.GetAmount(3),
        row.IsDBNull(4) ? null : row.GetAmount(4),
        row.GetAmount(5),
        row.GetInt64(6),
        row.GetAmount(7),
        row.GetInt64(8),
        DateTimeOffset.FromUnixTimeSeconds(row.GetInt64(9)));
}
