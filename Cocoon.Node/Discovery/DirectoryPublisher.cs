using Cocoon.Node.Serving;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers.Proto;
using DirectoryEntry = Cocoon.Protocol.Offers.Proto.Directory.Types.Entry;

namespace Cocoon.Node.Discovery;

/// <summary>This provider's one directory: a line for each model it offers now, said at a low rate.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class DirectoryPublisher(ILibp2pHost host, Ed25519PrivateKey peerKey, ModelDirectory directory, OfferGossip gossip, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly DirectoryPacing _pacing = new(time, (uint)host.LocalPeer.GetHashCode() / (double)uint.MaxValue);
    private readonly Dictionary<OfferedModel, Offer> _offered = [];
    private IReadOnlyList<DirectoryEntry>? _announced;

    /// <summary>The network's directories have this provider already: a simulated network that has existed for long begins so.</summary>
    internal bool IsKnown { get; init; }

    /// <summary>Takes the newest offer of a model; publishes all when something is new, or when it is time.</summary>
    public async ValueTask AddAsync(OfferedModel model, Offer offer, CancellationToken cancellationToken)
    {
        Offer[] offers;
        lock (_lock)
        {
            _offered[model] = offer;
            offers = [.. _offered.Values.OrderBy(o => o.ModelName, StringComparer.Ordinal)];
            DirectoryEntry[] entries = [.. offers.Select(ModelDirectory.EntryOf)];

            if (_announced is null && IsKnown)
            {
                _announced = entries;
                _pacing.Resume();
            }

            // As often as the rarest of the models needs it.
            if (!_pacing.IsDue(_announced is null || !entries.SequenceEqual(_announced), since => offers.Min(o => directory.CountSince(o.ModelId.Span, since))))
            {
                return;
            }

            _announced = entries;
        }

        await gossip.PublishDirectoryAsync(ModelDirectory.Sign(offers, host.LocalPeer, peerKey, time.GetUtcNow()), cancellationToken);
    }

    /// <summary>The model is not offered now: the next directory is without it.</summary>
    public void Remove(OfferedModel model)
    {
        lock (_lock)
        {
            _offered.Remove(model);
        }
    }
}
