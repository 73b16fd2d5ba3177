using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Decides about inbound sockets before anything is spent on them: rate, pending handshakes and connections per IP group.</summary>
/// <remarks>Thread-safe. An IP group is an IPv4 address or an IPv6 /56. Groups without anything pending or open are forgotten.</remarks>
internal sealed class InboundGate(Libp2pLimits limits, TimeProvider time, bool exemptPrivate)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, Group> _groups = [];
    private int _pending;

    /// <summary>Takes a place for a handshake where there is one; <see cref="EndUpgrade"/> gives it back.</summary>
    public InboundVerdict BeginUpgrade(IPAddress address)
    {
        bool isExempt = IsExempt(address);
        lock (_lock)
        {
            // Its own limits first: for an address that has its share nobody makes room.
            if (!isExempt && _groups.TryGetValue(ToGroup(address), out Group? known)
                && (known.Pending >= limits.PendingUpgradesPerIp || known.Open >= limits.ConnectionsPerIp || Refill(known) < 1))
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
        }
    }

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

    private double Refill(Group group)
    {
        long now = time.GetTimestamp();
        double gained = time.GetElapsedTime(group.At, now).TotalSeconds * limits.InboundConnectionsPerSecond;
        group.At = now;
        return group.Tokens = Math.Min(limits.InboundConnectionBurst, group.Tokens + gained);
    }

    public static IPAddress ToGroup(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4();
        }

        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            return address;
        }

        byte[] bytes = address.GetAddressBytes();
        bytes.AsSpan(7).Clear();
        return new IPAddress(bytes);
    }

    private sealed class Group
    {
        public int Pending { get; set; }

        public int Open { get; set; }

        public double Tokens { get; set; }

        public long At { get; set; }
    }
}
