using System.Text.Json;
using System.Text.Json.Serialization;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Saved peers as JSON on disk, replaced as a whole so that a crash leaves the old or the new file.</summary>
internal sealed class PeerStoreFile(string path, int maxPeers)
{
    private const int Schema = 1;
    private const long MaxFileLength = 16 * 1024 * 1024;

    /// <summary>Own choice: whatever peers call themselves, so many of all peers are less than a file may have.</summary>
    private const int MaxAddresses = 8, MaxAddressLength = 256;

    /// <summary>The saved peers; none when the file is missing, and entries that do not parse are left out.</summary>
    /// <exception cref="JsonException">The file is not a peer file.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public async Task<IReadOnlyList<SavedPeer>> LoadAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        if (new FileInfo(path).Length > MaxFileLength)
        {
            throw new JsonException("The peer file is too large.");
        }

        Document document = JsonSerializer.Deserialize(await File.ReadAllBytesAsync(path, cancellationToken), PeerFileContext.Default.Document)
            ?? throw new JsonException("The peer file is empty.");
        List<SavedPeer> peers = [];
        foreach (Item? item in (document.Schema == Schema ? document.Peers : null) ?? [])
        {
            if (peers.Count < maxPeers && PeerId.TryParse(item?.Id, out PeerId? peer))
            {
                List<Multiaddr> addresses = [];
                foreach (string? text in item!.Addrs ?? [])
                {
                    if (Multiaddr.TryParse(text, out Multiaddr? address))
                    {
                        addresses.Add(address);
                    }
                }

                peers.Add(new SavedPeer(peer, item.LastSeen, addresses) { LastWorked = item.LastWorked });
            }
        }

        return peers;
    }

    public async Task SaveAsync(IEnumerable<SavedPeer> peers, CancellationToken cancellationToken)
    {
        Document document = new(Schema, [.. peers.Take(maxPeers).Select(p => new Item(p.Peer.ToString(), p.LastSeen, [.. p.Addresses.Select(a => a.ToString()).Where(a => a.Length <= MaxAddressLength).Take(MaxAddresses)]) { LastWorked = p.LastWorked })]);
        string temporary = path + ".tmp";
        await using (FileStream stream = new(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            await JsonSerializer.SerializeAsync(stream, document, PeerFileContext.Default.Document, cancellationToken);
            stream.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }

    internal sealed record Document(int Schema, IReadOnlyList<Item?>? Peers);

    internal sealed record Item(string? Id, DateTimeOffset LastSeen, IReadOnlyList<string?>? Addrs)
    {
        public DateTimeOffset LastWorked { get; init; }
    }
}

/// <summary>The serializer of the peer file.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(PeerStoreFile.Document))]
internal sealed partial class PeerFileContext : JsonSerializerContext;
