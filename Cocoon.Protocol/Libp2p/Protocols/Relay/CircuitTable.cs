namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>The circuits that a relay carries, bounded in total, per peer and per address on either side.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class CircuitTable(RelayLimits limits)
{
    private readonly Lock _lock = new();
    private readonly HashSet<Circuit> _circuits = [];
    private long _ended;

    public IReadOnlyList<CircuitInfo> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _circuits.Select(circuit => circuit.Describe())];
            }
        }
    }

    /// <summary>Bytes of all circuits, those that have ended among them.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock)
            {
                return _ended + _circuits.Sum(circuit => circuit.Bytes);
            }
        }
    }

    /// <summary><c>false</c> when a limit is reached.</summary>
    public bool TryAdd(Circuit circuit)
    {
        lock (_lock)
        {
            return _circuits.Count < limits.Circuits
                && _circuits.Count(other => other.Source.Peer == circuit.Source.Peer) < limits.CircuitsPerPeer
                && _circuits.Count(other => other.Destination.Peer == circuit.Destination.Peer) < limits.CircuitsPerPeer
                && (circuit.Source.IpGroup is not { } from || _circuits.Count(other => from.Equals(other.Source.IpGroup)) < limits.CircuitsPerIp)
                && (circuit.Destination.IpGroup is not { } to || _circuits.Count(other => to.Equals(other.Destination.IpGroup)) < limits.CircuitsPerIp)
                && _circuits.Add(circuit);
        }
    }

    public void Remove(Circuit circuit)
    {
        lock (_lock)
        {
            if (_circuits.Remove(circuit))
            {
                _ended += circuit.Bytes;
            }
        }
    }
}
