using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Whether others may ask us.</summary>
public enum KadMode
{
    /// <summary>Asks only: no inbound handler, not announced, in nobody's table. For peers that cannot be dialled.</summary>
    Client,
    Server,
}

/// <summary>Parameters and limits of the DHT; go-libp2p's where no other origin is named.</summary>
public sealed class KadOptions
{
    /// <summary><c>/cocoon/&lt;network&gt;/kad/1.0.0</c>.</summary>
    public required string Protocol { get; set; }

    public KadMode Mode { get; set; } = KadMode.Client;

    /// <summary>Addresses with <c>/p2p/…</c> of peers to begin with.</summary>
    public IList<Multiaddr> BootstrapPeers { get; } = [];

    /// <summary>Loopback and private addresses are dialable and not counted by the diversity rules: for one machine or one LAN.</summary>
    public bool AllowLocalAddresses { get; set; }

    /// <summary>k: bucket size and number of holders of a record.</summary>
    public int BucketSize { get; set; } = 20;

    /// <summary>α: requests in flight of one query.</summary>
    public int Parallelism { get; set; } = 10;

    /// <summary>Disjoint paths of a query for values, providers or a peer (S/Kademlia), so that one bad peer cannot lead all of it astray.</summary>
    public int DisjointPaths { get; set; } = 3;

    /// <summary>Own value: valid copies that end a value query early.</summary>
    public int ValueQuorum { get; set; } = 5;

    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(10);

    public TimeSpan QueryTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Own bound between rust's 16 KiB and go's 4 MiB.</summary>
    public int MaxMessageBytes { get; set; } = 64 << 10;

    public int MaxValueBytes { get; set; } = 16 << 10;

    public int MaxRecords { get; set; } = 4096;

    public int MaxProviderKeys { get; set; } = 16384;

    /// <summary>Providers remembered of one key (rust).</summary>
    public int MaxProvidersPerKey { get; set; } = 20;

    public TimeSpan ProviderTimeToLive { get; set; } = TimeSpan.FromHours(48);

    public TimeSpan ProviderAddressTimeToLive { get; set; } = TimeSpan.FromHours(24);

    public TimeSpan ReprovideInterval { get; set; } = TimeSpan.FromHours(22);

    public TimeSpan RecordTimeToLive { get; set; } = TimeSpan.FromHours(48);

    public TimeSpan RepublishInterval { get; set; } = TimeSpan.FromHours(12);

    public TimeSpan RefreshInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How often the table is looked at: expiry, republishing, and bootstrapping again when it is empty.</summary>
    public TimeSpan MaintenanceInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Peers being checked for admission at once (own value; go 256) and waiting for it.</summary>
    public int AdmissionWorkers { get; set; } = 4;

    public int AdmissionQueue { get; set; } = 256;

    /// <summary>Own value: requests a second and burst served of one peer; its whole /24 or /48 gets four times that.</summary>
    public double RequestsPerSecond { get; set; } = 20;

    public double RequestBurst { get; set; } = 100;

    /// <summary>Own value: ADD_PROVIDER and PUT_VALUE of one peer.</summary>
    public double StoresPerSecond { get; set; } = 2;

    public double StoreBurst { get; set; } = 20;

    /// <summary>What may be stored under <c>/&lt;namespace&gt;/…</c>; other keys are refused.</summary>
    public Dictionary<string, IKadValidator> Validators { get; } = [];

    /// <summary>Randomness of refresh targets; the simulator seeds it.</summary>
    public Random Random { get; set; } = Random.Shared;
}

/// <summary>The rules of one namespace of values.</summary>
public interface IKadValidator
{
    /// <summary>Whether the value may stand under the key; called on every arrival, also from the network's answers.</summary>
    bool Validate(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value);

    /// <summary>Whether <paramref name="candidate"/> is better than <paramref name="current"/>; both are valid.</summary>
    bool IsBetter(ReadOnlySpan<byte> key, ReadOnlySpan<byte> candidate, ReadOnlySpan<byte> current);
}
