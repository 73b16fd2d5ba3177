using System.Net;

namespace Cocoon.Protocol.Libp2p.Protocols.Mdns;

/// <summary>How peers on the local network are looked for, and every bound on it.</summary>
public sealed class MdnsOptions
{
    /// <summary>libp2p mDNS specification. Networks that are not to see each other use their own.</summary>
    public string Service { get; init; } = "_p2p._udp.local";

    /// <summary>RFC 6762.</summary>
    public IPEndPoint Group { get; init; } = new(IPAddress.Parse("224.0.0.251"), 5353);

    /// <summary>Also on the loopback interface, with loopback addresses: for tests and several nodes on one machine.</summary>
    public bool IncludesLoopback { get; init; }

    /// <summary>Time to live of our records; js-libp2p (120 s).</summary>
    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Between the first two questions; doubled each time (RFC 6762, section 5.2).</summary>
    public TimeSpan FirstInterval { get; init; } = TimeSpan.FromSeconds(2);

    public TimeSpan MaxInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Least time between two answers on one interface (RFC 6762, section 6).</summary>
    public TimeSpan AnswerInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Addresses in our answer: of about 100 bytes each they fit one Ethernet frame. Own choice.</summary>
    public int AnnouncedAddresses { get; init; } = 10;

    /// <summary>Addresses taken from one message. Own choice.</summary>
    public int AddressesPerMessage { get; init; } = 16;

    /// <summary>Messages looked at per second and interface; more are dropped. Own choice: a busy office makes a few.</summary>
    public int MessagesPerSecond { get; init; } = 100;

    /// <summary>Interfaces served. Own choice.</summary>
    public int MaxInterfaces { get; init; } = 16;
}
