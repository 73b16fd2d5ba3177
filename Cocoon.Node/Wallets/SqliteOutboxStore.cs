using Cocoon.Node.Storage;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Protocol.Ton.Wallets;
using Microsoft.Data.Sqlite;

namespace Cocoon.Node.Wallets;

/// <summary>The wallets' queues in tables <c>outbox</c> and <c>outbox_flight</c>.</summary>
internal sealed class SqliteOutboxStore(CocoonDatabase database) : IOutboxStore
{
    public async ValueTask EnqueueAsync(TonAddress wallet, OutboxRequest request, CancellationToken cancellationToken) => await database.WriteAsync(
        session => session.Execute(
            """
            INSERT INTO outbox (wallet, key, message, mode) VALUES ($1, $2, $3, $4)
            ON CONFLICT (wallet, key) DO UPDATE SET
                message = CASE WHEN refused IS NULL THEN excluded.message ELSE message END,
                mode = CASE WHEN refused IS NULL THEN excluded.mode ELSE mode END,
                state = 'waiting', place = 0, result = NULL, words = NULL
            WHERE state = 'done' AND (refused IS NOT NULL OR (result = 'NotSent' AND wallet_lt IS NULL))
            """,
            wallet.ToString(), request.Key, BocWriter.Write(request.Message), (int)request.Mode),
        cancellationToken);

    public ValueTask<IReadOnlyList<OutboxRequest>> GetWaitingAsync(TonAddress wallet, int limit, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IReadOnlyList<OutboxRequest>>(database.Read(session => ReadRequests(session, wallet, "waiting", limit)));

    public ValueTask<OutboxBatch?> GetInFlightAsync(TonAddress wallet, CancellationToken cancellationToken) =>
        ValueTask.FromResult(database.Read(session =>
        {
            OutboxBatch? batch = session.QueryFirst(
                "SELECT boc, hash, seqno, valid_until, last_lt, last_hash, earlier FROM outbox_flight WHERE wallet = $1",
                row => new OutboxBatch(
                    [], row.GetBytes(0), new CellHash(row.GetBytes(1)), row.GetUInt32(2), row.GetUInt32(3),
                    new TransactionId(row.GetAmount(4), new CellHash(row.GetBytes(5))))
                {
                    Earlier = Split(row.GetBytes(6)),
                },
                wallet.ToString());
            return batch is null ? null : batch with { Requests = ReadRequests(session, wallet, "flight", int.MaxValue) };
        }));

    public async ValueTask StartAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken) => await database.WriteAsync(
        session =>
        {
            if (session.QueryFirst("SELECT 1 FROM outbox_flight WHERE wallet = $1", row => row.GetInt32(0), wallet.ToString()) == 1)
            {
                throw new InvalidOperationException("Another external is in flight.");
            }

            session.Execute(
                "INSERT INTO outbox_flight (wallet, boc, hash, seqno, valid_until, last_lt, last_hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                wallet.ToString(), batch.Boc, batch.NormalizedHash.ToArray(), batch.Seqno, batch.ValidUntil,
                batch.LastBefore.LogicalTime, batch.LastBefore.Hash.ToArray());
            Mark(session, wallet, batch.Requests, "flight");
        },
        cancellationToken);

    public async ValueTask RenewAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken) => await database.WriteAsync(
        session => session.Execute(
            "UPDATE outbox_flight SET boc = $2, hash = $3, valid_until = $4, earlier = $5 WHERE wallet = $1",
            wallet.ToString(), batch.Boc, batch.NormalizedHash.ToArray(), batch.ValidUntil, Join(batch.Earlier)),
        cancellationToken);

    public async ValueTask ReturnAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken) => await database.WriteAsync(
        session =>
        {
            session.Execute("DELETE FROM outbox_flight WHERE wallet = $1", wallet.ToString());
            Mark(session, wallet, batch.Requests, "waiting");
            foreach (OutboxRequest request in batch.Requests)
            {
                Keep(session, wallet, request);
            }
        },
        cancellationToken);

    public async ValueTask FinishAsync(
        TonAddress wallet, OutboxBatch batch, IReadOnlyDictionary<string, SendOutcome> outcomes, CancellationToken cancellationToken) =>
        await database.WriteAsync(
            session =>
            {
                session.Execute("DELETE FROM outbox_flight WHERE wallet = $1", wallet.ToString());
                foreach ((string key, SendOutcome outcome) in outcomes)
                {
                    Finish(session, wallet, key, outcome);
                }
            },
            cancellationToken);

    public async ValueTask GiveUpAsync(TonAddress wallet, IReadOnlyList<OutboxRequest> requests, SendOutcome outcome, CancellationToken cancellationToken) =>
        await database.WriteAsync(
            session =>
            {
                session.Execute("DELETE FROM outbox_flight WHERE wallet = $1", wallet.ToString());
                foreach (OutboxRequest request in requests)
                {
                    EndRefused(session, wallet, request.Key, outcome);
                    Keep(session, wallet, request);
                }
            },
            cancellationToken);

    public async ValueTask ForgetRefusedAsync(TonAddress wallet, string key, CancellationToken cancellationToken) => await database.WriteAsync(
        session => session.Execute("UPDATE outbox SET refused = NULL WHERE wallet = $1 AND key = $2", wallet.ToString(), key), cancellationToken);

    public async ValueTask RejectAsync(TonAddress wallet, string key, SendOutcome outcome, CancellationToken cancellationToken) =>
        await database.WriteAsync(
            session =>
            {
                if (outcome.Result == SendResult.Refused)
                {
                    EndRefused(session, wallet, key, outcome);
                    return;
                }

                Finish(session, wallet, key, outcome);
            },
            cancellationToken);

    public ValueTask<SendOutcome?> GetOutcomeAsync(TonAddress wallet, string key, CancellationToken cancellationToken) =>
        ValueTask.FromResult(database.Read(session => session.QueryFirst(
            """
            SELECT result, words, wallet_lt, wallet_hash, receiver_lt, receiver_hash, value, forward_fee, wallet_fees,
                wallet_exit, skipped, receiver_exit, receiver_action, bounced
            FROM outbox WHERE wallet = $1 AND key = $2 AND state = 'done'
            """,
            MapOutcome,
            wallet.ToString(), key)));

    /// <summary>In flight the place in the external counts; a request's place among the waiting ones is its id, which never changes.</summary>
    private static List<OutboxRequest> ReadRequests(DatabaseSession session, TonAddress wallet, string state, int limit) => session.Query(
        "SELECT key, message, mode, refused, refused_seqno, refused_lt, refused_hash FROM outbox WHERE wallet = $1 AND state = $2 ORDER BY place, id LIMIT $3",
        row => new OutboxRequest(row.GetString(0), BocReader.ReadSingle(row.GetBytes(1)), (SendMode)row.GetInt32(2))
        {
            Refused = row.GetBytesOrNull(3) is { } hashes
                ? new RefusedExternals(Split(hashes), row.GetUInt32(4), new TransactionId(row.GetAmount(5), new CellHash(row.GetBytes(6))))
                : null,
        },
        wallet.ToString(), state, limit);

    private static byte[] Join(IEnumerable<CellHash> hashes) => [.. hashes.SelectMany(hash => hash.ToArray())];

    private static CellHash[] Split(byte[] hashes) => [.. hashes.Chunk(CellHash.Size).Select(hash => new CellHash(hash))];

    private static void Mark(DatabaseSession session, TonAddress wallet, IReadOnlyList<OutboxRequest> requests, string state)
    {
        for (int i = 0; i < requests.Count; i++)
        {
            session.Execute(
                "UPDATE outbox SET state = $3, place = $4 WHERE wallet = $1 AND key = $2",
                wallet.ToString(), requests[i].Key, state, state == "flight" ? i : 0);
        }
    }

    /// <summary>What was signed stays, and the message with it.</summary>
    private static void EndRefused(DatabaseSession session, TonAddress wallet, string key, SendOutcome outcome) => session.Execute(
        "UPDATE outbox SET state = 'done', result = $3, words = $4 WHERE wallet = $1 AND key = $2",
        wallet.ToString(), key, outcome.Result.ToString(), outcome.Words);

    private static void Keep(DatabaseSession session, TonAddress wallet, OutboxRequest request)
    {
        if (request.Refused is { } refused)
        {
            session.Execute(
                "UPDATE outbox SET refused = $3, refused_seqno = $4, refused_lt = $5, refused_hash = $6 WHERE wallet = $1 AND key = $2",
                wallet.ToString(), request.Key, Join(refused.Hashes), refused.Seqno, refused.LastBefore.LogicalTime, refused.LastBefore.Hash.ToArray());
        }
    }

    private static void Finish(DatabaseSession session, TonAddress wallet, string key, SendOutcome outcome) => session.Execute(
        """
        UPDATE outbox SET state = 'done', message = x'', refused = NULL, result = $3, words = $4, wallet_lt = $5, wallet_hash = $6, receiver_lt = $7, receiver_hash = $8,
            value = $9, forward_fee = $10, wallet_fees = $11, wallet_exit = $12, skipped = $13, receiver_exit = $14, receiver_action = $15, bounced = $16
        WHERE wallet = $1 AND key = $2
        """,
        wallet.ToString(), key, outcome.Result.ToString(), outcome.Words, outcome.WalletTransaction?.LogicalTime, outcome.WalletTransaction?.Hash.ToArray(),
        outcome.ReceiverTransaction?.LogicalTime, outcome.ReceiverTransaction?.Hash.ToArray(), outcome.Value, outcome.ForwardFee, outcome.WalletFees,
        outcome.WalletExitCode, outcome.SkippedActions, outcome.ReceiverExitCode, outcome.ReceiverActionCode, outcome.Bounced);

    private static SendOutcome MapOutcome(SqliteDataReader row) => new(
        Enum.Parse<SendResult>(row.GetString(0)),
        row.GetString(1),
        MapTransaction(row, 2),
        MapTransaction(row, 4),
        row.GetAmount(6),
        row.GetAmount(7),
        row.GetAmount(8),
        row.IsDBNull(9) ? null : row.GetInt32(9),
        row.GetInt32(10),
        row.IsDBNull(11) ? null : row.GetInt32(11),
        row.IsDBNull(12) ? null : row.GetInt32(12),
        row.GetBoolean(13));

    private static TransactionId? MapTransaction(SqliteDataReader row, int column) =>
        row.IsDBNull(column) ? null : new TransactionId(row.GetAmount(column), new CellHash(row.GetBytes(column + 1)));
}
