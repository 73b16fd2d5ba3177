using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Protocol.Libp2p;

/// <summary>What a <see cref="Libp2pHost"/> is made of.</summary>
public sealed class Libp2pHostOptions
{
    /// <summary>The peer key; stays the caller's and must outlive the host.</summary>
    public required Ed25519PrivateKey Identity { get; init; }

    /// <summary>
    /// <c>/ip4|ip6/…/tcp/…</c>; port 0 takes a free one. None of these: dials only. <c>…/p2p/&lt;relay&gt;/p2p-circuit</c> holds a
    /// reservation with that relay, <c>/p2p-circuit</c> with relays among the connected peers.
    /// </summary>
    public IReadOnlyList<Multiaddr> ListenAddresses { get; init; } = [];

    /// <summary>Announced instead of the listening addresses, for nodes behind a forwarded port.</summary>
    public IReadOnlyList<Multiaddr> AnnounceAddresses { get; init; } = [];

    public string AgentVersion { get; init; } = "cocoon/0.1.0";

    /// <summary>Loopback and private addresses count as dialable, and limits per IP do not apply to them.</summary>
    public bool AllowPrivateAddresses { get; init; }

    /// <summary>Serve as a relay for others, within these limits; <c>null</c>: no.</summary>
    public RelayLimits? RelayService { get; init; }

    /// <summary>How own reservations are kept; its relays are joined by those among the listening addresses.</summary>
    public RelayClientOptions RelayClient { get; init; } = new();

    /// <summary>Hold reservations with relays among the connected peers once AutoNAT found that nobody can dial us.</summary>
    public bool RelayWhenPrivate { get; init; }

    /// <summary>Ask others whether they can dial us, and answer them the same; <c>null</c>: no.</summary>
    public AutoNatOptions? AutoNat { get; init; }

    public DcutrOptions Dcutr { get; init; } = new();

    /// <summary>Serve <c>/perf/1.0.0</c>; never on public nodes.</summary>
    public bool ServePerf { get; init; }

    /// <summary>Where peers are kept between runs; <c>null</c>: nowhere.</summary>
    public string? PeerStorePath { get; init; }

    public Libp2pLimits Limits { get; init; } = new();

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;
}
