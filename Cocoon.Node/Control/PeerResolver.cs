using Cocoon.Node.Cli;
using Cocoon.Node.Discovery;
using Cocoon.Node.Peers;
using Cocoon.Protocol.Identity;

namespace Cocoon.Node.Control;

/// <summary>Finds the peer that a person means: a whole id, a local name, or a part of the id that only one known peer has.</summary>
internal sealed class PeerResolver(PeerNetwork network, OfferBook book, PeerNames names)
{
    /// <summary>What every Ed25519 peer id begins with.</summary>
    private const string CommonPrefix = "12D3KooW";

    private const int MaxListed = 8;

    /// <summary>Shorter parts from the middle of an id are more likely a mistake.</summary>
    private const int MinPart = 3;

    /// <summary>Beginning (with or without <c>12D3KooW</c>), end, the short form that tables print, or else any part of some length.</summary>
    /// <exception cref="CliException">Nobody, or several peers, are meant.</exception>
    public PeerId Resolve(string text)
    {
        if (PeerId.TryParse(text, out PeerId? exact))
        {
            return exact;
        }

        if (names.Find(text) is { } named)
        {
            return named;
        }

        PeerId[] known = [.. Known()];
        PeerId[] found = [.. known.Where(p => Matches(p.ToString(), text))];
        if (found.Length == 0)
        {
            found = [.. known.Where(p => IsPart(p.ToString(), text))];
        }

        return found.Length switch
        {
            1 => found[0],
            0 => throw new CliException(ExitCode.NotFound, $"no peer '{text}' is known here", "it is no peer id, no name, and no part of a known peer's id", "See 'cocoon peers', or write the whole id."),
            _ => throw new CliException(ExitCode.Usage, $"'{text}' could be {found.Length} peers", string.Join(", ", found.Take(MaxListed).Select(Describe)) + (found.Length > MaxListed ? ", …" : ""), "Write more of the id."),
        };
    }

    /// <summary>A peer other than <paramref name="peer"/> that <paramref name="text"/> could mean as a part of its id.</summary>
    public PeerId? FindOther(PeerId peer, string text) => Known().FirstOrDefault(p => p != peer && (Matches(p.ToString(), text) || IsPart(p.ToString(), text)));

    private static bool IsPart(string id, string text) => text.Length >= MinPart && id.Contains(text, StringComparison.Ordinal);

    private IEnumerable<PeerId> Known() => network.Host.Connections.Select(c => c.Peer)
        .Concat(book.All().Select(o => o.Peer))
        .Concat(network.Dht.Snapshot().Buckets.SelectMany(b => b.Peers).Select(e => e.Peer))
        .Concat(network.Host.GetKnownPeers())
        .Concat(names.Peers)
        .Append(network.Host.LocalPeer)
        .Distinct();

    private string Describe(PeerId peer) => names.Find(peer) is { } name ? $"{peer} ({name})" : peer.ToString();

    private static bool Matches(string id, string text)
    {
        int cut = text.IndexOf('…', StringComparison.Ordinal);
        if (cut >= 0)
        {
            return cut > 0 && id.StartsWith(text[..cut], StringComparison.Ordinal) && id.EndsWith(text[(cut + 1)..], StringComparison.Ordinal);
        }

        return text.Length > 0
            && (id.StartsWith(text, StringComparison.Ordinal)
                || id.EndsWith(text, StringComparison.Ordinal)
                || (id.StartsWith(CommonPrefix, StringComparison.Ordinal) && id.AsSpan(CommonPrefix.Length).StartsWith(text, StringComparison.Ordinal)));
    }
}
