using System.Net;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.PortMapping;

/// <summary>What <see cref="PortMapper"/> has reached.</summary>
/// <param name="Mapping"><c>null</c> while there is none.</param>
/// <param name="Problems">Why not, by protocol.</param>
public sealed record PortMappingState(MappedPort? Mapping, DateTimeOffset? RefreshAt, IReadOnlyList<string> Problems);

/// <summary>Keeps one TCP port mapped at the gateway: asks by each protocol in turn, refreshes at half of the lease, gives it back at the end.</summary>
public sealed partial class PortMapper : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMinutes(1), MaxPause = TimeSpan.FromMinutes(30), GiveBackTime = TimeSpan.FromSeconds(3);

    /// <summary>A lease without end is looked at all the same: the gateway may have restarted.</summary>
    private static readonly TimeSpan Permanent = TimeSpan.FromHours(1);

    private readonly IPEndPoint _inside;
    private readonly IReadOnlyList<IPortMappingClient> _clients;
    private readonly PortMappingLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private PortMappingState _state = new(null, null, []);
    private Task _loop = Task.CompletedTask;

    /// <param name="inside">Our address on the gateway's network, and the port we listen on.</param>
    public PortMapper(Gateway gateway, IPEndPoint inside, PortMappingLimits limits, TimeProvider time, ILogger logger)
        : this(
            inside,
            [
                new PcpClient(gateway.Control, limits, time),
                new NatPmpClient(gateway.Control, limits, time),
                new UpnpClient(gateway.Search, limits, time),
            ],
            limits,
            time,
            logger)
    {
    }

    internal PortMapper(IPEndPoint inside, IReadOnlyList<IPortMappingClient> clients, PortMappingLimits limits, TimeProvider time, ILogger logger)
    {
        _inside = inside;
        _clients = clients;
        _limits = limits;
        _time = time;
        _logger = logger;
    }

    /// <summary>Another mapping, or none any more. Handlers return quickly.</summary>
    public event Action<PortMappingState>? Changed;

    public PortMappingState State => Volatile.Read(ref _state);

    public void Start() => _loop = KeepAsync();

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        await _loop;
        await GiveBackAsync();
        foreach (IDisposable client in _clients.OfType<IDisposable>())
        {
            client.Dispose();
        }

        _stopping.Dispose();
    }

    private async Task KeepAsync()
    {
        TimeSpan pause = FirstPause;
        try
        {
            while (true)
            {
                PortMappingState next = await AskAllAsync(_stopping.Token);
                Set(next);
                TimeSpan wait;
                if (next.Mapping is { } mapping)
                {
                    pause = FirstPause;
                    wait = RefreshAfter(mapping);
                }
                else
                {
                    wait = pause;
                    pause = pause * 2 < MaxPause ? pause * 2 : MaxPause;
                }

                await Task.Delay(wait, _time, _stopping.Token);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>The protocol that worked last is asked first.</summary>
    private async Task<PortMappingState> AskAllAsync(CancellationToken cancellationToken)
    {
        MappedPort? last = State.Mapping;
        List<string> problems = [];
        foreach (IPortMappingClient client in _clients.OrderByDescending(c => c.Protocol == last?.Protocol))
        {
            try
            {
                MappedPort mapping = await client.MapAsync(_inside, last?.External.Port ?? _inside.Port, cancellationToken);
                return new PortMappingState(mapping, _time.GetUtcNow() + RefreshAfter(mapping), problems);
            }
            catch (IOException exception)
            {
                problems.Add($"{client.Protocol}: {exception.Message}");
            }
        }

        return new PortMappingState(null, null, problems);
    }

    private TimeSpan RefreshAfter(MappedPort mapping)
    {
        TimeSpan lifetime = mapping.Lifetime ?? (2 * Permanent);
        return (lifetime < _limits.MinLifetime ? _limits.MinLifetime : lifetime > _limits.MaxLifetime ? _limits.MaxLifetime : lifetime) / 2;
    }

    private void Set(PortMappingState next)
    {
        PortMappingState last = State;
        Volatile.Write(ref _state, next);
        if (next.Mapping?.External is { } external ? !external.Equals(last.Mapping?.External) : last.Mapping is not null)
        {
            Log.MappingChanged(_logger, next.Mapping?.Protocol.ToString() ?? "none", next.Mapping?.External);
            Changed?.Invoke(next);
        }
    }

    private async Task GiveBackAsync()
    {
        if (State.Mapping is not { } mapping)
        {
            return;
        }

        using CancellationTokenSource limit = new(GiveBackTime, _time);
        try
        {
            await _clients.First(c => c.Protocol == mapping.Protocol).UnmapAsync(mapping, limit.Token);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            Log.NotGivenBack(_logger, exception.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3241, LogLevel.Information, "The gateway maps a port ({Protocol}): {External}")]
        public static partial void MappingChanged(ILogger logger, string protocol, IPEndPoint? external);

        [LoggerMessage(3242, LogLevel.Debug, "The mapped port was not given back; its lease ends by itself: {Reason}")]
        public static partial void NotGivenBack(ILogger logger, string reason);
    }
}
