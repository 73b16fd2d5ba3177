using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace Cocoon.Node.Storage;

/// <summary>
/// The node's SQLite database: one writer, many writes per fsync. A write that has returned is on the disk (WAL, synchronous=FULL).
/// </summary>
/// <remarks>
/// Writes are queued and committed in batches (group commit): while one batch is flushed the next one gathers, so that the
/// cost of a flush is shared. Each write has its own savepoint; a failing one does not take its neighbours along.
/// </remarks>
internal sealed class CocoonDatabase : IAsyncDisposable
{
    private const int MaxBatch = 512;
    private const int QueueLength = 4096;

    private readonly Channel<PendingWrite> _queue = Channel.CreateBounded<PendingWrite>(
        new BoundedChannelOptions(QueueLength) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
    private readonly DatabaseSession _writer;
    private readonly DatabaseSession _reader;
    private readonly Lock _readLock = new();
    private readonly Task _loop;

    private CocoonDatabase(DatabaseSession writer, DatabaseSession reader)
    {
        _writer = writer;
        _reader = reader;
        _loop = Task.Run(WriteLoopAsync);
    }

    /// <summary>Batches committed so far; with the number of writes it tells how well flushes are shared.</summary>
    public long Commits { get; private set; }

    /// <summary>Opens or creates the database and brings its schema up to date.</summary>
    /// <exception cref="StorageException">Not ours, written by a newer version, or not readable.</exception>
    public static CocoonDatabase Open(string path) => Open(path, Schema.Migrations);

    internal static CocoonDatabase Open(string path, IReadOnlyList<string> migrations)
    {
        PrivateFile.EnsureExists(path);
        DatabaseSession? writer = null;
        try
        {
            writer = Connect(path);
            writer.ExecuteScript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=1000;");
            Schema.Migrate(writer, migrations);
            DatabaseSession reader = Connect(path);
            reader.ExecuteScript("PRAGMA query_only=ON;");
            return new CocoonDatabase(writer, reader);
        }
        catch (SqliteException inner) when (DiskFault.WordsOf(inner) is { } words)
        {
            writer?.Dispose();
            throw new StorageException(StorageErrorCode.WriteFailed, $"{path} cannot be written: {words}.", inner);
        }
        catch (SqliteException inner)
        {
            writer?.Dispose();
            throw new StorageException(StorageErrorCode.Foreign, $"{path} is not a usable database ({inner.SqliteErrorCode}).", inner);
        }
        catch
        {
            writer?.Dispose();
            throw;
        }
    }

    /// <summary>Runs <paramref name="write"/> in a transaction and returns when it is durable.</summary>
    /// <remarks>
    /// Cancellation is seen only until the write is queued: afterwards the caller must know whether it happened.
    /// An exception of <paramref name="write"/> undoes that write alone and is thrown here.
    /// </remarks>
    /// <exception cref="StorageException">The disk refused the batch.</exception>
    public async Task<T> WriteAsync<T>(Func<DatabaseSession, T> write, CancellationToken cancellationToken)
    {
        PendingWrite<T> pending = new(write);
        await _queue.Writer.WriteAsync(pending, cancellationToken);
        return await pending.Completion;
    }

    /// <inheritdoc cref="WriteAsync{T}(Func{DatabaseSession, T}, CancellationToken)"/>
    public Task WriteAsync(Action<DatabaseSession> write, CancellationToken cancellationToken) =>
        WriteAsync<object?>(
            session =>
            {
                write(session);
                return null;
            },
            cancellationToken);

    /// <summary>Reads what is committed.</summary>
    public T Read<T>(Func<DatabaseSession, T> read)
    {
        lock (_readLock)
        {
            return read(_reader);
        }
    }

    /// <summary>Completes the queued writes, then closes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_queue.Writer.TryComplete())
        {
            await _loop;
            lock (_readLock)
            {
                _reader.Dispose();
            }

            _writer.Dispose();
        }
        else
        {
            await _loop;
        }
    }

    private static DatabaseSession Connect(string path)
    {
        SqliteConnection connection = new(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = SqliteOpenMode.ReadWrite,
            Pooling = false,
        }.ToString());
        connection.Open();
        return new DatabaseSession(connection);
    }

    private async Task WriteLoopAsync()
    {
        List<PendingWrite> batch = new(MaxBatch);
        while (await _queue.Reader.WaitToReadAsync())
        {
            while (batch.Count < MaxBatch && _queue.Reader.TryRead(out PendingWrite? pending))
            {
                batch.Add(pending);
            }

            Commit(batch);
            batch.Clear();
        }
    }

    private void Commit(List<PendingWrite> batch)
    {
        try
        {
            _writer.Execute("BEGIN IMMEDIATE");
            foreach (PendingWrite pending in batch)
            {
                _writer.Execute("SAVEPOINT item");
                if (pending.TryRun(_writer))
                {
                    _writer.Execute("RELEASE item");
                }
                else
                {
                    _writer.Execute("ROLLBACK TO item");
                    _writer.Execute("RELEASE item");
                }
            }

            _writer.Execute("COMMIT");
            Commits++;
        }
        catch (Exception failure)
        {
            RollBack();
            StorageException refused = new(
                StorageErrorCode.WriteFailed, $"The database could not be written{(DiskFault.WordsOf(failure) is { } words ? $": {words}" : "")}; nothing of this batch was kept.", failure);
            foreach (PendingWrite pending in batch)
            {
                pending.Fail(refused);
            }

            return;
        }

        foreach (PendingWrite pending in batch)
        {
            pending.Complete();
        }
    }

    private void RollBack()
    {
        try
        {
            _writer.Execute("ROLLBACK");
        }
        catch (SqliteException)
        {
            // SQLite has rolled back by itself, as it does when the disk is full; nothing is left to undo.
        }
    }

    private abstract class PendingWrite
    {
        /// <summary><c>false</c> when the write threw; its exception is kept for the caller.</summary>
        public abstract bool TryRun(DatabaseSession session);

        public abstract void Complete();

        public abstract void Fail(StorageException failure);
    }

    private sealed class PendingWrite<T>(Func<DatabaseSession, T> write) : PendingWrite
    {
        private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T _result = default!;
        private Exception? _failure;

        public Task<T> Completion => _completion.Task;

        public override bool TryRun(DatabaseSession session)
        {
            try
            {
                _result = write(session);
                return true;
            }
            catch (Exception failure)
            {
                _failure = failure;
                return false;
            }
        }

        public override void Complete()
        {
            if (_failure is null)
            {
                _completion.SetResult(_result);
            }
            else
            {
                _completion.SetException(_failure);
            }
        }

        public override void Fail(StorageException failure) => _completion.SetException(_failure ?? failure);
    }
}
