namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>One gossipsub RPC, decoded.</summary>
internal sealed class GossipRpc
{
    public IReadOnlyList<GossipSubscription> Subscriptions { get; init; } = [];

    public IReadOnlyList<GossipMessage> Publish { get; init; } = [];

    public IReadOnlyList<GossipIHave> IHave { get; init; } = [];

    public IReadOnlyList<MessageId> IWant { get; init; } = [];

    public IReadOnlyList<string> Graft { get; init; } = [];

    public IReadOnlyList<GossipPrune> Prune { get; init; } = [];

    public IReadOnlyList<MessageId> IDontWant { get; init; } = [];
}

internal readonly record struct GossipSubscription(string Topic, bool Subscribe);

internal readonly record struct GossipIHave(string Topic, IReadOnlyList<MessageId> Ids);

/// <param name="Backoff">How long the pruned side must not graft; zero when the remote named none.</param>
/// <remarks>Peers offered in a PRUNE (peer exchange) are never read: nobody is dialled on a stranger's word.</remarks>
internal readonly record struct GossipPrune(string Topic, TimeSpan Backoff);
