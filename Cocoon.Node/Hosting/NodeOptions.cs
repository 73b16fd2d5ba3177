namespace Cocoon.Node.Hosting;

internal enum NodeRole
{
    /// <summary>Serves a model.</summary>
    Provider = 0,

    /// <summary>Asks and pays; DHT client, serves nothing.</summary>
    Client = 1,

    /// <summary>Helps others find each other; serves no model.</summary>
    Bootstrap = 2,

    /// <summary>A throwaway peer that looks around for a command and ends with it; DHT client, serves nothing.</summary>
    Observer = 3,
}

/// <summary>What every role of a node needs. Filled from the command line, then fixed.</summary>
internal sealed class NodeOptions
{
    public required NodeRole Role { get; init; }

    public required string DataDirectory { get; init; }

    public string Network { get; init; } = "devnet";

    /// <summary>toncenter-v2 endpoints; empty takes the network profile's.</summary>
    public IReadOnlyList<Uri> TonEndpoints { get; init; } = [];

    /// <summary>Global configuration file whose lite-servers the chain is read from.</summary>
    public string? TonConfig { get; init; }

    /// <summary>Multiaddrs to listen on; a light client listens on none.</summary>
    public IReadOnlyList<string> Listen { get; init; } = [];

    /// <summary>Multiaddrs with <c>/p2p/</c> to join by.</summary>
    public IReadOnlyList<string> Bootstrap { get; init; } = [];

    /// <summary>Registry contract, raw or friendly; its bootstrap list is added to ours.</summary>
    public string? Registry { get; init; }

    /// <summary>Count private and loopback addresses as dialable: for one machine or one LAN.</summary>
    public bool AllowPrivateAddresses { get; init; }

    /// <summary>File whose options this node was started with; prices in it are followed while the node runs.</summary>
    public string? ConfigPath { get; init; }

    /// <summary>Relay for peers that nobody can dial (libp2p circuit relay v2), within its limits.</summary>
    public bool RelaysPeers { get; init; }

    /// <summary>Carry other people's privacy-relay circuits.</summary>
    public bool ForwardsCircuits { get; init; }

    /// <summary>Look for peers on the local network, and answer those that look.</summary>
    public bool UsesMdns { get; init; } = true;

    /// <summary>Ask the router for a port when this node serves from a private address.</summary>
    public bool MapsPorts { get; init; } = true;

    /// <summary>File with the wallet's passphrase; without it the wallet file's mode protects it.</summary>
    public string? PassphraseFile { get; init; }

    /// <summary>Given once per data directory before real money is used.</summary>
    public bool ConfirmMainnet { get; init; }
}
