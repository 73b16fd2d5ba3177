using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Registry;

/// <summary>The registry as last read, kept on disk: an unreachable chain does not stop a node.</summary>
internal sealed partial class RegistryReader(TonAddress address, ITonClient client, CocoonDatabase database, ILogger<RegistryReader> logger)
{
    private readonly string _key = $"registry:{address}";

    /// <summary>Reads the registry now, or falls back to what was read before.</summary>
    /// <returns><c>null</c> when the chain did not answer and nothing was read before.</returns>
    public async Task<RegistryView?> ReadAsync(CancellationToken cancellationToken)
    {
        RegistryView? cached = ReadCached();
        try
        {
            TonAccount account = await client.GetAccountAsync(address, cancellationToken);
            if (!account.IsActive || account.Data is null || account.Code?.Hash != RegistryContract.CodeHash)
            {
                Log.NotARegistry(logger, address);
                return cached;
            }

            RegistryState state = RegistryContract.ParseState(account.Data);
            if (cached is not null && state.Version < cached.State.Version)
            {
                // Versions only grow: an older one is an endpoint that lags or lies.
                Log.Older(logger, state.Version, cached.State.Version);
                return cached;
            }

            if (cached is null || state.Version != cached.State.Version)
            {
                await database.WriteAsync(
                    session => session.Execute(
                        "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value", _key, BocWriter.Write(account.Data)),
                    cancellationToken);
            }

            return new RegistryView(state, account.SyncTime, FromCache: false);
        }
        catch (TonException failure)
        {
            Log.Unreachable(logger, address, failure.Message);
            return cached;
        }
    }

    private RegistryView? ReadCached()
    {
        byte[]? boc = database.Read(session => session.QueryFirst("SELECT value FROM meta WHERE key = $1", row => row.GetBytes(0), _key));
        return boc is null ? null : new RegistryView(RegistryContract.ParseState(BocReader.ReadSingle(boc)), ReadAt: null, FromCache: true);
    }

    private static partial class Log
    {
        [LoggerMessage(4200, LogLevel.Warning, "{Address} is not a registry of this version")]
        public static partial void NotARegistry(ILogger logger, TonAddress address);

        [LoggerMessage(4201, LogLevel.Warning, "An endpoint shows registry version {Seen}, {Known} was read before")]
        public static partial void Older(ILogger logger, uint seen, uint known);

        [LoggerMessage(4202, LogLevel.Warning, "Registry {Address} could not be read: {Detail}")]
        public static partial void Unreachable(ILogger logger, TonAddress address, string detail);
    }
}

/// <param name="ReadAt">Chain time of the reading; <c>null</c> when it is an earlier run's.</param>
internal sealed record RegistryView(RegistryState State, uint? ReadAt, bool FromCache);
