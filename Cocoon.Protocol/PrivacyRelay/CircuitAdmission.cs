using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>Counts circuits and openings against <see cref="RelayLimits"/>.</summary>
/// <remarks>Thread-safe. The rate table starts anew each minute and is bounded.</remarks>
internal sealed class CircuitAdmission(RelayLimits limits, TimeProvider time)
{
    private const int MaxPeers = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, int> _open = [];
    private readonly Dictionary<string, int> _openByNetwork = [];
    private readonly Dictionary<PeerId, int> _opens = [];
    private long _minute;
    private int _count;

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _count;
            }
        }
    }

    /// <summary>A place until it is disposed, or <c>null</c> when a limit is reached.</summary>
    /// <param name="network">The neighbour's public one; <c>null</c> where it has none.</param>
    public IDisposable? TryEnter(PeerId neighbour, string? network = null)
    {
        long minute = time.GetUtcNow().ToUnixTimeSeconds() / 60;
        lock (_lock)
        {
            if (minute != _minute)
            {
                _minute = minute;
                _opens.Clear();
            }

            int opens = _opens.GetValueOrDefault(neighbour), open = _open.GetValueOrDefault(neighbour);
            if (_count >= limits.MaxCircuits || open >= limits.MaxCircuitsPerPeer || opens >= limits.OpensPerMinute
                || (opens == 0 && _opens.Count >= MaxPeers)
                || (network is not null && _openByNetwork.GetValueOrDefault(network) >= limits.MaxCircuitsPerNetwork))
            {
                return null;
            }

            _opens[neighbour] = opens + 1;
            _open[neighbour] = open + 1;
            if (network is not null)
            {
                _openByNetwork[network] = _openByNetwork.GetValueOrDefault(network) + 1;
            }

            _count++;
        }

        return new Place(this, neighbour, network);
    }

    private void Leave(PeerId neighbour, string? network)
    {
        lock (_lock)
        {
            _count--;
            if (--_open[neighbour] == 0)
            {
                _open.Remove(neighbour);
            }

            if (network is not null && --_openByNetwork[network] == 0)
            {
                _openByNetwork.Remove(network);
            }
        }
    }

    private sealed class Place(CircuitAdmission admission, PeerId neighbour, string? network) : IDisposable
    {
        private CircuitAdmission? _admission = admission;

        public void Dispose() => Interlocked.Exchange(ref _admission, null)?.Leave(neighbour, network);
    }
}
