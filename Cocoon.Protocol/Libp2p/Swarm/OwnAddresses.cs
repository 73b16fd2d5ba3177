using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Our own addresses as others are told them, gathered from those who know of some: listeners, port mappings, AutoNAT, relays.</summary>
/// <remarks>Thread-safe. Direct addresses come before those of relays.</remarks>
internal sealed class OwnAddresses
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, IReadOnlyList<Multiaddr>> _bySource = [];
    private bool _hidesPublic;
    private IReadOnlyList<Multiaddr> _current = [];

    public event Action? Changed;

    public IReadOnlyList<Multiaddr> Current => Volatile.Read(ref _current);

    /// <summary>Replaces what <paramref name="source"/> knows.</summary>
    public void Set(string source, IReadOnlyList<Multiaddr> addresses) => Update(() => _bySource[source] = addresses);

    /// <summary>Public addresses that AutoNAT found closed are not worth anybody's dial.</summary>
    public void HidePublic(bool hide) => Update(() => _hidesPublic = hide);

    private void Update(Action change)
    {
        lock (_lock)
        {
            change();
            IReadOnlyList<Multiaddr> next = [.. _bySource.Values
                .SelectMany(addresses => addresses)
                .Distinct()
                .Where(address => address.IsRelayed || !_hidesPublic || address.IpAddress is not { } ip || IpScopes.Of(ip) != IpScope.Public)
                .OrderBy(address => address.IsRelayed)];
            if (next.SequenceEqual(_current))
            {
                return;
            }

            Volatile.Write(ref _current, next);
        }

        Changed?.Invoke();
    }
}
