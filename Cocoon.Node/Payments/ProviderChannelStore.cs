using System.Buffers.Binary;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Microsoft.Data.Sqlite;

namespace Cocoon.Node.Payments;

/// <summary>Table <c>provider_channel</c>. What a call wrote is durable when it returns.</summary>
internal sealed class ProviderChannelStore(CocoonDatabase database)
{
    private const string Columns = """
        channel, terms, expires_at, verified_at, created_at, total, nonce, signature, grant_data, grant_sig, vouchers, due,
        claimed, balance, close_at, closing, ack_total, ack_at, gone, claim_queued
        """;

    public ProviderChannelRecord? Find(CellHash channel) =>
        database.Read(session => session.QueryFirst($"SELECT {Columns} FROM provider_channel WHERE channel = $1", Map, channel.ToArray()));

    /// <summary>Channels that can still pay, those with the most unclaimed money first.</summary>
    /// <remarks>Also those whose account was said to be gone with money of ours in it, until they would have expired: it may have been a lie.</remarks>
    public IReadOnlyList<ProviderChannelRecord> ListOpen(int limit, DateTimeOffset now) =>
        database.Read(session => session.Query(
            $"""
            SELECT {Columns} FROM provider_channel
            WHERE gone = 0 OR (ack_total IS NULL AND total - claimed >= $2 AND (expires_at = 0 OR expires_at > $3))
            ORDER BY total - claimed DESC LIMIT $1
            """,
            Map, limit, ClaimPolicy.Minimum, now.ToUnixTimeSeconds()));

    public IReadOnlyList<ProviderChannelRecord> List(int limit) =>
        database.Read(session => session.Query($"SELECT {Columns} FROM provider_channel ORDER BY created_at DESC LIMIT $1", Map, limit));

    public Task AddAsync(ProviderChannelRecord record, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute(
            """
            INSERT INTO provider_channel (channel, terms, expires_at, verified_at, created_at, claimed, balance, close_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (channel) DO NOTHING
            """,
            record.Channel.ToArray(), record.Terms.Encode(), record.ExpiresAt, record.VerifiedAt, record.CreatedAt.ToUnixTimeSeconds(), record.Claimed, record.Balance, record.CloseAt),
        cancellationToken);

    /// <summary>Keeps the higher total; with it what was owed at that moment, so that a crash forgets at most the work of one voucher.</summary>
    public Task SaveVoucherAsync(SignedVoucher voucher, Func<ulong> due, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute(
            """
            UPDATE provider_channel SET total = $2, nonce = $3, signature = $4, grant_data = $5, grant_sig = $6, due = $7, vouchers = vouchers + 1
            WHERE channel = $1 AND total < $2
            """,
            voucher.Statement.Channel.ToArray(), voucher.Statement.Total, unchecked((long)voucher.Statement.Nonce), voucher.Signature,
            voucher.Grant is { } grant ? new GrantStatement(voucher.Statement.Channel, grant.SessionKey, grant.Cap).ToBytes() : null,
            voucher.Grant?.Signature, due()),
        cancellationToken);

    /// <param name="due">Asked at the moment of the write, so that two of them never store an older figure last.</param>
    public Task SaveDueAsync(CellHash channel, Func<ulong> due, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute("UPDATE provider_channel SET due = $2 WHERE channel = $1", channel.ToArray(), due()), cancellationToken);

    /// <param name="owed">By the client's own signature; what is in the book may be less after a crash.</param>
    public Task SaveClosingAsync(CellHash channel, ulong ackTotal, long chainTime, ulong owed, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute(
            "UPDATE provider_channel SET closing = 1, ack_total = $2, ack_at = $3, due = max(due, $4) WHERE channel = $1", channel.ToArray(), ackTotal, chainTime, owed),
        cancellationToken);

    /// <summary>What the chain showed; <c>null</c> data means that the account is gone.</summary>
    public Task SaveAccountAsync(ChannelAccount account, CancellationToken cancellationToken) => database.WriteAsync(
        session => account.State is { } state
            ? session.Execute(
                """
                UPDATE provider_channel SET gone = 0, claimed = max(claimed, $2), balance = $3, close_at = $4, expires_at = $5, verified_at = $6,
                    claim_queued = CASE WHEN total <= $2 THEN 0 ELSE claim_queued END
                WHERE channel = $1
                """,
                account.Channel.ToArray(), state.Claimed, account.Balance, state.CloseAt, state.ExpiresAt, account.ChainTime)
            : session.Execute(
                "UPDATE provider_channel SET gone = 1, balance = 0, claim_queued = 0, verified_at = $2 WHERE channel = $1",
                account.Channel.ToArray(), account.ChainTime),
        cancellationToken);

    /// <summary>Of a channel that is gone.</summary>
    public Task SaveFinalAsync(CellHash channel, ulong claimed, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute("UPDATE provider_channel SET claimed = max(claimed, $2) WHERE channel = $1 AND gone = 1", channel.ToArray(), claimed), cancellationToken);

    public Task QueueClaimsAsync(IReadOnlyList<CellHash> channels, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            foreach (CellHash channel in channels)
            {
                session.Execute("UPDATE provider_channel SET claim_queued = 1 WHERE channel = $1", channel.ToArray());
            }
        },
        cancellationToken);

    private static ProviderChannelRecord Map(SqliteDataReader row) => new()
    {
        Channel = new CellHash(row.GetBytes(0)),
        Terms = ChannelTerms.TryDecode(row.GetBytes(1), out ChannelTerms? terms)
            ? terms
            : throw new StorageException(StorageErrorCode.Corrupt, "The stored terms of a channel cannot be read."),
        ExpiresAt = row.GetUInt32(2),
        VerifiedAt = row.GetUInt32(3),
        CreatedAt = DateTimeOffset.FromUnixTimeSeconds(row.GetInt64(4)),
        Voucher = MapVoucher(row),
        Vouchers = row.GetInt64(10),
        Due = row.GetAmount(11),
        Claimed = row.GetAmount(12),
        Balance = row.GetAmount(13),
        CloseAt = row.GetUInt32(14),
        Closing = row.GetBoolean(15),
        AckTotal = row.IsDBNull(16) ? null : row.GetAmount(16),
        AckAt = row.GetUInt32(17),
        Gone = row.GetBoolean(18),
        ClaimQueued = row.GetBoolean(19),
    };

    private static SignedVoucher? MapVoucher(SqliteDataReader row)
    {
        if (row.GetBytesOrNull(7) is not { } signature)
        {
            return null;
        }

        SignedGrant? grant = null;
        if (row.GetBytesOrNull(8) is { Length: GrantStatement.Size } statement && row.GetBytesOrNull(9) is { } grantSignature)
        {
            grant = new SignedGrant(
                new Ed25519PublicKey(statement.AsSpan(36, Ed25519PublicKey.Size)), BinaryPrimitives.ReadUInt64BigEndian(statement.AsSpan(68)), grantSignature);
        }

        return new SignedVoucher(
            new VoucherStatement(new CellHash(row.GetBytes(0)), row.GetAmount(5), unchecked((ulong)row.GetInt64(6))), signature, grant);
    }
}
