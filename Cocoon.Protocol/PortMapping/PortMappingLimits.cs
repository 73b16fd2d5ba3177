namespace Cocoon.Protocol.PortMapping;

/// <summary>Times and bounds of talking to gateways; devices on the local network are strangers too.</summary>
public sealed record PortMappingLimits
{
    /// <summary>Asked for; RFC 6886 recommends two hours, RFC 6887 warns of long ones. Own choice: a stopped node frees its port within the hour.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>What a gateway says is brought within these; beyond them it is mistaken or hostile.</summary>
    public TimeSpan MinLifetime { get; init; } = TimeSpan.FromMinutes(1);

    public TimeSpan MaxLifetime { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Before the first retransmission, doubled each time (RFC 6886, section 3.1: 250 ms).</summary>
    public TimeSpan FirstRetry { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Datagrams sent for one answer; 3.75 s in all. RFC 6886 sends nine over two minutes: nobody waits for that.</summary>
    public int Attempts { get; init; } = 4;

    /// <summary>Answers to a multicast search are collected for this long (MX 2 and a little).</summary>
    public TimeSpan SearchTime { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Devices looked at after one search.</summary>
    public int MaxDevices { get; init; } = 8;

    /// <summary>Datagrams read during one search, whoever sends them.</summary>
    public int MaxSearchDatagrams { get; init; } = 64;

    public TimeSpan HttpTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Largest description or SOAP answer; real ones have 2 to 20 KiB.</summary>
    public int MaxHttpBytes { get; init; } = 64 << 10;

    /// <summary>Other outer ports tried when the wanted one is taken.</summary>
    public int PortAttempts { get; init; } = 4;
}
