namespace Cocoon.Protocol.Libp2p.Protocols.AutoNat;

/// <summary>Bounds and times of AutoNAT. Defaults name their origin.</summary>
public sealed record AutoNatOptions
{
    public const string Protocol = "/libp2p/autonat/1.0.0";

    /// <summary>Longest message that is read; js-libp2p (8 KiB) answers no longer ones either. Notes of go-libp2p: 4 KiB.</summary>
    public int MaxMessageLength { get; init; } = 4 * 1024;

    /// <summary>Addresses of one request that are looked at. go-libp2p.</summary>
    public int AddressesPerRequest { get; init; } = 16;

    /// <summary>Of these, dialled. Own choice: each is a connection attempt that the asker made us do.</summary>
    public int DialsPerRequest { get; init; } = 4;

    /// <summary>Time of one request with all its dials. go-libp2p.</summary>
    public TimeSpan DialTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Requests served per minute, in total and of one peer. go-libp2p.</summary>
    public int RequestsPerMinute { get; init; } = 30;

    public int RequestsPerPeerAndMinute { get; init; } = 3;

    /// <summary>Requests served at once. Own choice.</summary>
    public int ParallelRequests { get; init; } = 8;

    /// <summary>
    /// Answers that must agree before a verdict and before another one: of as many networks (IPv4 /24, IPv6 /48), or repeated ones where
    /// fewer are connected. go-libp2p's confidence is 3.
    /// </summary>
    public int Confirmations { get; init; } = 3;

    /// <summary>Pause between the first <see cref="Confirmations"/> questions to one network, where there are too few. Own choice: a server answers three in a minute.</summary>
    public TimeSpan ConfirmInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Pause before the next question once there is a verdict. go-libp2p.</summary>
    public TimeSpan RefreshInterval { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Pause between questions while there is none. go-libp2p (90 s) after the first <see cref="Confirmations"/>.</summary>
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>Wait for the first connections to settle, and between the first questions. Own choice.</summary>
    public TimeSpan FirstInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>An answer counts for so long. Own choice: two refreshes and a half.</summary>
    public TimeSpan AnswerTimeToLive { get; init; } = TimeSpan.FromMinutes(40);
}
