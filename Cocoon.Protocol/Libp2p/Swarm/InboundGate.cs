using System.Net;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Decides about inbound sockets before anything is spent on them: rate, pending handshakes and connections per IP group and network.</summary>
/// <remarks>
/// Thread-safe. An IP group is an IPv4 address or an IPv6 /56, a network an IPv4 /24 or an IPv6 /48. Those without anything pending or open
/// are forgotten.
/// </remarks>
internal sealed class InboundGate(Libp2pLimits limits, TimeProvider time, bool exemptPrivate)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, Group> _groups = [];
    private readonly Dictionary<IPAddress, Network> _networks = [];
    private int _pending;

    /// <summary>Takes a place for a handshake where there is one; <see cref="EndUpgrade"/> gives it back.</summary>
    public InboundVerdict BeginUpgrade(IPAddress address)
    {
        bool isExempt = IsExempt(address);
        lock (_lock)
        {
            // Its own limits first: for an address that has its share nobody makes room.
            if (!isExempt && (HasItsShare(address) || HasItsNetworksShare(address)))
            {
                return InboundVerdict.Refused;
            }

            if (_pending >= limits.PendingUpgrades)
            {
                return InboundVerdict.Full;
            }

            if (!isExempt)
            {
                Group group = GetGroup(address);
                group.Tokens--;
                group.Pending++;
                GetNetwork(address).Pending++;
            }

            _pending++;
            return InboundVerdict.Admitted;
        }
    }

    /// <param name="opened">The handshake succeeded: the connection counts until <see cref="Close"/>.</param>
    public void EndUpgrade(IPAddress address, bool opened)
    {
        lock (_lock)
        {
            _pending--;
            if (!IsExempt(address))
            {
                Group group = GetGroup(address);
                group.Pending--;
                group.Open += opened ? 1 : 0;
                Network network = GetNetwork(address);
                network.Pending--;
                network.Open += opened ? 1 : 0;
            }
        }
    }

    public void Close(IPAddress address)
    {
        lock (_lock)
        {
            if (!IsExempt(address))
            {
                GetGroup(address).Open--;
                GetNetwork(address).Open--;
            }
        }
    }

    /// <summary>Forgets groups that hold nothing and whose rate has recovered.</summary>
    public void Sweep()
    {
        lock (_lock)
        {
            foreach ((IPAddress key, Group group) in _groups.ToList())
            {
                if (group is { Pending: 0, Open: <= 0 } && Refill(group) >= limits.InboundConnectionBurst)
                {
                    _groups.Remove(key);
                }
            }

            foreach (IPAddress key in _networks.Where(network => network.Value is { Pending: 0, Open: <= 0 }).Select(network => network.Key).ToList())
            {
                _networks.Remove(key);
            }
        }
    }

    private bool HasItsShare(IPAddress address) => _groups.TryGetValue(ToGroup(address), out Group? known)
        && (known.Pending >= limits.PendingUpgradesPerIp || known.Pending + known.Open >= limits.ConnectionsPerIp || Refill(known) < 1);

    private bool HasItsNetworksShare(IPAddress address) => _networks.TryGetValue(ToNetwork(address), out Network? known)
        && (known.Pending >= limits.PendingUpgradesPerNetwork || known.Pending + known.Open >= limits.ConnectionsPerNetwork);

    private bool IsExempt(IPAddress address) => exemptPrivate && IpScopes.Of(address) is (IpScope.Loopback or IpScope.Private);

    private Group GetGroup(IPAddress address)
    {
        IPAddress key = ToGroup(address);
        if (!_groups.TryGetValue(key, out Group? group))
        {
            group = new Group { Tokens = limits.InboundConnectionBurst, At = time.GetTimestamp() };
            _groups.Add(key, group);
        }

        return group;
    }

    private Network GetNetwork(IPAddress address)
    {
        IPAddress key = ToNetwork(address);
        if (!_networks.TryGetValue(key, out Network? network))
        {
            network = new Network();
            _networks.Add(key, network);
        }

        return network;
    }

    private double Refill(Group group)
    {
        long now = time.GetTimestamp();
        double gained = time.GetElapsedTime(group.At, now).TotalSeconds * limits.InboundConnectionsPerSecond;
        group.At = now;
        return group.Tokens = Math.Min(limits.InboundConnectionBurst, group.Tokens + gained);
    }

    /// <summary>The IPv4 address or IPv6 /56.</summary>
    public static IPAddress ToGroup(IPAddress address) => Truncate(address, bytes4: 4, bytes6: 7);

    private static IPAddress ToNetwork(IPAddress address) => Truncate(address, bytes4: 3, bytes6: 6);

    private static IPAddress Truncate(IPAddress address, int bytes4, int bytes6)
    {
        byte[] bytes = (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).GetAddressBytes();
        bytes.AsSpan(bytes.Length == 4 ? bytes4 : bytes6).Clear();
        return new IPAddress(bytes);
    }

    private class Network
    {
        public int Pending { get; set; }

        public int Open { get; set; }
    }

    private sealed class Group : Network
    {
        public double Tokens { get; set; }

        public long At { get; set; }
    }
}
