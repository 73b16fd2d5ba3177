namespace Cocoon.Protocol.Libp2p.Protocols.Dcutr;

/// <summary>Bounds and times of hole punching. Defaults name their origin.</summary>
public sealed record DcutrOptions
{
    public const string Protocol = "/libp2p/dcutr";

    /// <summary>The specification's limit of a message.</summary>
    public const int MaxMessageLength = 4 * 1024;

    /// <summary>go-libp2p and js-libp2p.</summary>
    public int Attempts { get; init; } = 3;

    /// <summary>Time for the exchange of messages. js-libp2p (5 s).</summary>
    public TimeSpan ExchangeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Time in which a direct connection must come up after the synchronisation. go-libp2p and js-libp2p (5 s).</summary>
    public TimeSpan PunchTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A longer round trip through the relay is not waited for: it is the remote that decides about it. Own choice.</summary>
    public TimeSpan MaxRoundTrip { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>Addresses told and dialled. Own choice: each dial is one that the remote made us do.</summary>
    public int Addresses { get; init; } = 8;

    /// <summary>Upgrades under way at once. Own choice.</summary>
    public int ParallelUpgrades { get; init; } = 16;

    /// <summary>First try the other side's own addresses from here, as the specification asks; tests of the exchange leave it out.</summary>
    public bool DialFirst { get; init; } = true;
}
