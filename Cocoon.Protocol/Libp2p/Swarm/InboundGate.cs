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

    /// <summary>Whether all handshakes that there may be are under way.</summary>
    public bool IsFull
    {
        get
        {
            lock (_lock)
            {
                return _pending >= limits.PendingUpgrades;
            }
        }
    }

    /// <summary>Takes a place for a handshake; <see cref="EndUpgrade"/> gives it back.</summary>
    public bool TryBeginUpgrade(IPAddress address)
    {
        lock (_lock)
        {
            if (_pending >= limits.PendingUpgrades)
            {
                return false;
            }

            if (!IsExempt(address))
            {
                Group group = GetGroup(address);
                if (group.Pending >= limits.PendingUpgradesPerIp || group.Open >= limits.ConnectionsPerIp || !TryTakeToken(group))
                {
                    return false;
                }

                group.Pending++;
            }

            _pending++;
            return true;
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

    private bool TryTakeToken(Group group)
    {
        if (Refill(group) < 1)
        {
            return false;
        }

        group.Tokens--;
        return true;
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
