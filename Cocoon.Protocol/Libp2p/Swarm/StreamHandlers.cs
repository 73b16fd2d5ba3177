using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>The protocols served for inbound streams.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class StreamHandlers
{
    private readonly ConcurrentDictionary<string, Func<IPeerStream, CancellationToken, Task>> _handlers = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Protocols => [.. _handlers.Keys.Order(StringComparer.Ordinal)];

    public bool Contains(string protocol) => _handlers.ContainsKey(protocol);

    public bool TryGet(string protocol, [NotNullWhen(true)] out Func<IPeerStream, CancellationToken, Task>? handler) =>
        _handlers.TryGetValue(protocol, out handler);

    public void Set(string protocol, Func<IPeerStream, CancellationToken, Task> handler) => _handlers[protocol] = handler;

    public bool Remove(string protocol) => _handlers.TryRemove(protocol, out _);
}
