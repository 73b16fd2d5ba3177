using System.Text;
using Cocoon.Node.Cli;
using Cocoon.Node.Discovery;
using Cocoon.Node.Hosting;
using Cocoon.Node.Peers;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Control;

/// <summary>The DHT as this node sees it: its table, and lookups on request.</summary>
internal sealed class DhtReporter(
    PeerNetwork network, NodeIdentity identity, PeerNames names, PeerResolver resolver, OfferBook book, ModelDirectory directory, TimeProvider time)
{
    public static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    private const int MaxProviders = 100;

    public DhtTableDocument Table()
    {
        KadSnapshot snapshot = network.Dht.Snapshot();
        HashSet<PeerId> connected = [.. network.Host.Connections.Select(c => c.Peer)];
        DateTimeOffset now = time.GetUtcNow();
        return new DhtTableDocument(
            ControlJson.Schema,
            snapshot.Protocol,
            snapshot.Mode.ToString().ToLowerInvariant(),
            snapshot.ProviderKeys,
            snapshot.Records,
            snapshot.Provided,
            [
                .. snapshot.Buckets.SelectMany(bucket => bucket.Peers.Select(entry => new DhtTableDocument.Row(
                    entry.Peer.ToString(),
                    names.Find(entry.Peer),
                    bucket.CommonPrefixLength,
                    connected.Contains(entry.Peer),
                    Texts(network.Host.GetAddresses(entry.Peer)),
                    (now - entry.AddedAt).TotalSeconds,
                    (now - entry.LastAnswer).TotalSeconds))),
            ]);
    }

    /// <exception cref="CliException">Nobody knows it.</exception>
    public async Task<DhtPeersDocument> FindPeerAsync(string text, TimeSpan wait, CancellationToken cancellationToken)
    {
        PeerId peer = resolver.Resolve(text);
        (KadPeer? found, double took) = await MeasureAsync(t => network.Dht.FindPeerAsync(peer, t), wait, cancellationToken);
        return found is { Addresses.Count: > 0 }
            ? new DhtPeersDocument(ControlJson.Schema, peer.ToString(), took, [Row(found)])
            : throw new CliException(ExitCode.NotFound, $"the DHT does not know {peer}", $"asked through {network.Dht.PeerCount} peers in the table", "It may be gone, or a client, which no table holds. See 'cocoon dht table'.");
    }

    /// <param name="text">A model's name or id, or a multihash in hexadecimal.</param>
    /// <exception cref="CliException">No such model is known, or nobody provides it.</exception>
    public async Task<DhtPeersDocument> FindProvidersAsync(string text, TimeSpan wait, CancellationToken cancellationToken)
    {
        byte[] key = ProviderKey(text);
        (List<KadPeer> found, double took) = await MeasureAsync(t => CollectAsync(key, t), wait, cancellationToken);
        return found.Count > 0
            ? new DhtPeersDocument(ControlJson.Schema, Convert.ToHexStringLower(key), took, [.. found.Select(Row)])
            : throw new CliException(ExitCode.NotFound, $"nobody provides '{text}'", $"asked for {Convert.ToHexStringLower(key)} through {network.Dht.PeerCount} peers in the table", "See 'cocoon offers' for what is on offer.");
    }

    /// <param name="text">A whole key <c>/cocoon/PEER/NAME</c>, or <c>PEER/NAME</c> with any way to name a peer, or a name of our own.</param>
    /// <exception cref="CliException">No such key or value.</exception>
    public async Task<DhtValueDocument> GetAsync(string text, TimeSpan wait, CancellationToken cancellationToken)
    {
        byte[] key = Key(text);
        (ReadOnlyMemory<byte>? found, double took) = await MeasureAsync(t => network.Dht.GetValueAsync(key, t), wait, cancellationToken);
        return found is { } value && SignedValue.TryOpen(key, value.Span, out SignedValue? opened)
            ? Value(key, opened, took, peers: null)
            : throw new CliException(ExitCode.NotFound, "the DHT has no such value", Encoding.ASCII.GetString(key), "Whoever placed it keeps it there only while it runs.");
    }

    /// <exception cref="CliException">The name or the value is not allowed, or no peer took it.</exception>
    public async Task<DhtValueDocument> PutAsync(DhtPutRequest request, TimeSpan wait, CancellationToken cancellationToken)
    {
        byte[] data = request.Hex is { } hex ? FromHex(hex) : Encoding.UTF8.GetBytes(request.Value ?? "");
        byte[] key;
        byte[] sealedValue;
        ulong sequence = (ulong)time.GetUtcNow().ToUnixTimeMilliseconds();
        try
        {
            key = SignedValue.Key(identity.Peer, request.Name ?? "");
            sealedValue = SignedValue.Seal(identity.Key, key, sequence, data);
        }
        catch (ArgumentException)
        {
            throw new CliException(ExitCode.Usage, "that value cannot be stored", $"it has {data.Length} bytes and the name '{request.Name}'", $"Names have 1 to {SignedValue.MaxNameLength} letters, digits, '.', '_' or '-'; values at most {SignedValue.MaxData} bytes.");
        }

        (int peers, double took) = await MeasureAsync(t => network.Dht.PutValueAsync(key, sealedValue, t), wait, cancellationToken);
        return peers > 0
            ? Value(key, new SignedValue(sequence, data), took, peers)
            : throw new CliException(ExitCode.Network, "no peer took the value", $"the table has {network.Dht.PeerCount} peers", "See 'cocoon net doctor'.");
    }

    private async Task<List<KadPeer>> CollectAsync(byte[] key, CancellationToken cancellationToken)
    {
        List<KadPeer> found = [];
        await foreach (KadPeer provider in network.Dht.FindProvidersAsync(key, MaxProviders, cancellationToken))
        {
            found.Add(provider);
        }

        return found;
    }

    private async Task<(T Result, double Milliseconds)> MeasureAsync<T>(Func<CancellationToken, Task<T>> work, TimeSpan wait, CancellationToken cancellationToken)
    {
        if (network.Dht.PeerCount == 0 && network.Host.Connections.Count == 0)
        {
            throw new CliException(ExitCode.Network, "this node is connected to nobody", "the DHT is other peers", "Give it --bootstrap addresses, or see 'cocoon net doctor'.");
        }

        using CancellationTokenSource timeout = new(wait < MaxWait ? wait : MaxWait, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        long started = time.GetTimestamp();
        try
        {
            T result = await work(linked.Token);
            return (result, time.GetElapsedTime(started).TotalMilliseconds);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CliException(ExitCode.TimedOut, "the lookup did not end in time", $"waited {wait.TotalSeconds:0.#} s", "A longer --timeout may help.");
        }
    }

    private DhtPeersDocument.Row Row(KadPeer peer) => new(
        peer.Peer.ToString(), names.Find(peer.Peer), network.Host.Connections.Any(c => c.Peer == peer.Peer), Texts(peer.Addresses));

    /// <summary>Whether the text is a key, or a model that this node has heard of.</summary>
    public bool Knows(string text) => ReadKey(text) is not null || IdsOf(text).Length > 0;

    private string[] IdsOf(string name) =>
        [.. book.ForName(name).Select(o => o.ModelIdHex).Concat(directory.Find(name).Select(Convert.ToHexStringLower)).Distinct()];

    private static byte[]? ReadKey(string text)
    {
        if (text.Length < 2 * 4 || text.Length % 2 != 0 || !text.All(char.IsAsciiHexDigit))
        {
            return null;
        }

        byte[] bytes = Convert.FromHexString(text);
        return bytes.Length == 32 ? OfferTopics.ProviderKey(bytes)
            : Multihash.TryRead(bytes, out _, out _) ? bytes
            : null;
    }

    private byte[] ProviderKey(string text)
    {
        if (ReadKey(text) is { } key)
        {
            return key;
        }

        string[] ids = IdsOf(text);
        return ids.Length switch
        {
            1 => OfferTopics.ProviderKey(Convert.FromHexString(ids[0])),
            0 => throw new CliException(ExitCode.NotFound, $"no model '{text}' is known here", null, "Give a model id (64 hexadecimal digits) or a multihash; see 'cocoon offers --columns model,model_id'."),
            _ => throw new CliException(ExitCode.Usage, $"'{text}' names {ids.Length} models", string.Join(", ", ids), "Give the model id."),
        };
    }

    private byte[] Key(string text)
    {
        byte[] whole = Encoding.UTF8.GetBytes(text);
        if (SignedValue.TryReadKey(whole, out _, out _))
        {
            return whole;
        }

        string[] parts = text.Split('/', StringSplitOptions.RemoveEmptyEntries);
        try
        {
            return parts switch
            {
                [var name] => SignedValue.Key(network.Host.LocalPeer, name),
                [var peer, var name] => SignedValue.Key(resolver.Resolve(peer), name),
                [SignedValue.Namespace, var peer, var name] => SignedValue.Key(resolver.Resolve(peer), name),
                _ => throw new CliException(ExitCode.Usage, $"'{text}' is no key", "keys are /cocoon/PEER/NAME", "For example 12D3KooW…/status"),
            };
        }
        catch (ArgumentException)
        {
            throw new CliException(ExitCode.Usage, $"'{text}' is no key", "keys are /cocoon/PEER/NAME", "For example 12D3KooW…/status");
        }
    }

    private static byte[] FromHex(string hex)
    {
        try
        {
            return Convert.FromHexString(hex);
        }
        catch (FormatException)
        {
            throw new CliException(ExitCode.Usage, "the value is not hexadecimal");
        }
    }

    private static DhtValueDocument Value(byte[] key, SignedValue value, double took, int? peers)
    {
        SignedValue.TryReadKey(key, out PeerId? owner, out string? name);
        return new DhtValueDocument(
            ControlJson.Schema, Encoding.ASCII.GetString(key), owner!.ToString(), name!, value.Sequence, Text(value.Data.Span), Convert.ToHexStringLower(value.Data.Span), peers, took);
    }

    private static string? Text(ReadOnlySpan<byte> data) => System.Text.Unicode.Utf8.IsValid(data) ? Encoding.UTF8.GetString(data) : null;

    private static string[] Texts(IEnumerable<Multiaddr> addresses) => [.. addresses.Select(a => a.ToString())];
}

internal sealed record DhtPutRequest(string? Name, string? Value, string? Hex);
