namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>What circuits may take of a hop.</summary>
internal sealed record RelayLimits
{
    /// <summary>Circuits at once, forwarded and delivered; each holds two streams and a few 16 KiB buffers.</summary>
    public int MaxCircuits { get; init; } = 256;

    /// <summary>Circuits at once per neighbour: a relay carries many people, so more than a person needs.</summary>
    public int MaxCircuitsPerPeer { get; init; } = 64;

    /// <summary>The same of all neighbours in one public IPv4 /24 or IPv6 /48, for peer ids cost nothing. Own choice: half.</summary>
    public int MaxCircuitsPerNetwork { get; init; } = 128;

    /// <summary>Openings per neighbour and minute; each costs a handshake.</summary>
    public int OpensPerMinute { get; init; } = 240;

    /// <summary>Bytes both ways on a forwarded circuit: as circuit relays allow for inference.</summary>
    public long MaxBytes { get; init; } = 64 << 20;

    public TimeSpan MaxDuration { get; init; } = TimeSpan.FromHours(1);

    /// <summary>A session kept warm says nothing for as long as its quote holds, 60 s.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(2);

    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan DialTimeout { get; init; } = TimeSpan.FromSeconds(10);
}
