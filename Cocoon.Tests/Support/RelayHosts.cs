using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Tests.Support;

/// <summary>Real hosts on 127.0.0.1 that relay, or are reached through relays.</summary>
internal static class RelayHosts
{
    /// <summary>Protocols of tests run over circuits too.</summary>
    public static Libp2pLimits Limits { get; } = new Libp2pLimits() is var limits
        ? limits with { LimitedProtocols = [.. limits.LimitedProtocols, TestHosts.EchoProtocol], RelayedGrace = TimeSpan.Zero }
        : limits;

    /// <summary>No hole is punched: tests of the relay path itself.</summary>
    public static DcutrOptions NoPunching { get; } = new() { ParallelUpgrades = 0 };

    public static Task<Libp2pHost> StartRelayAsync(RelayLimits? limits = null, TimeProvider? time = null) =>
        StartAsync(relay: limits ?? new RelayLimits(), time: time);

    public static async Task<Libp2pHost> StartAsync(
        RelayLimits? relay = null,
        string? listen = null,
        RelayClientOptions? client = null,
        AutoNatOptions? autoNat = null,
        DcutrOptions? dcutr = null,
        bool relayWhenPrivate = false,
        Libp2pLimits? limits = null,
        TimeProvider? time = null,
        Ed25519PrivateKey? key = null,
        bool dialsOnly = false)
    {
        Libp2pHost host = new(new Libp2pHostOptions
        {
            Identity = key ?? Ed25519PrivateKey.Generate(),
            ListenAddresses = dialsOnly ? [] : [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0"), .. listen is null ? [] : (Multiaddr[])[Multiaddr.Parse(listen)]],
            AllowPrivateAddresses = true,
            RelayService = relay,
            RelayClient = client ?? new RelayClientOptions(),
            RelayWhenPrivate = relayWhenPrivate,
            AutoNat = autoNat,
            Dcutr = dcutr ?? NoPunching,
            Limits = limits ?? Limits,
            TimeProvider = time ?? TimeProvider.System,
        });
        host.Handle(TestHosts.EchoProtocol, TestHosts.EchoAsync);
        await host.StartAsync(CancellationToken.None);
        return host;
    }

    /// <summary>The address of <paramref name="host"/> behind the relay.</summary>
    public static Multiaddr Through(this Libp2pHost host, Libp2pHost relay) =>
        Multiaddr.Parse($"{relay.FullAddress()}/p2p-circuit/p2p/{host.LocalPeer}");
}
