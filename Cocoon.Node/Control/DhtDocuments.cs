namespace Cocoon.Node.Control;

/// <param name="ProviderKeys">Keys with provider records kept for others.</param>
/// <param name="Provided">Keys that this node provides.</param>
internal sealed record DhtTableDocument(
    int Schema, string Protocol, string Mode, int ProviderKeys, int Records, int Provided, IReadOnlyList<DhtTableDocument.Row> Peers)
{
    internal sealed record Row(
        string Peer, string? Name, int CommonPrefixLength, bool Connected, IReadOnlyList<string> Addresses, double AgeSeconds, double LastAnswerAgeSeconds);
}

/// <param name="Key">What was looked for: a peer id, or a multihash in hexadecimal.</param>
internal sealed record DhtPeersDocument(int Schema, string Key, double TookMs, IReadOnlyList<DhtPeersDocument.Row> Peers)
{
    internal sealed record Row(string Peer, string? Name, bool Connected, IReadOnlyList<string> Addresses);
}

/// <param name="Text"><c>null</c> when the data is no UTF-8.</param>
/// <param name="StoredAt">Peers that took it; <c>null</c> for a value that was read.</param>
internal sealed record DhtValueDocument(int Schema, string Key, string Owner, string Name, ulong Sequence, string? Text, string Hex, int? StoredAt, double TookMs);
