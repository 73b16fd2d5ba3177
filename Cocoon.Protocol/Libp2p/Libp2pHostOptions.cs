using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Protocol.Libp2p;

/// <summary>What a <see cref="Libp2pHost"/> is made of.</summary>
public sealed class Libp2pHostOptions
{
    /// <summary>The peer key; stays the caller's and must outlive the host.</summary>
    public required Ed25519PrivateKey Identity { get; init; }

    /// <summary><c>/ip4|ip6/…/tcp/…</c>; port 0 takes a free one. Empty: dials only.</summary>
    public IReadOnlyList<Multiaddr> ListenAddresses { get; init; } = [];

    /// <summary>Announced instead of the listening addresses, for nodes behind a forwarded port.</summary>
    public IReadOnlyList<Multiaddr> AnnounceAddresses { get; init; } = [];

    public string AgentVersion { get; init; } = "cocoon/0.1.0";

    /// <summary>Loopback and private addresses count as dialable, and limits per IP do not apply to them.</summary>
    public bool AllowPrivateAddresses { get; init; }

    /// <summary>Serve <c>/perf/1.0.0</c>; never on public nodes.</summary>
    public bool ServePerf { get; init; }

    /// <summary>Where peers are kept between runs; <c>null</c>: nowhere.</summary>
    public string? PeerStorePath { get; init; }

    public Libp2pLimits Limits { get; init; } = new();

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;
}
