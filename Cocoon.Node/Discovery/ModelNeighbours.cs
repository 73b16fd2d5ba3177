using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Discovery;

/// <summary>Keeps providers of each followed model among the gossip neighbours: those that the book names, else those of the DHT.</summary>
/// <remarks>
/// The router gossips with whoever is connected, and in a large network those whom chance connects follow other models. A mesh of users
/// is as good; providers want each other all the same, for each passes the others' offers on to users whom it alone is connected to. They
/// also spare the connections of their models' followers from trimming: light clients accept none, so that their few providers are all
/// that carries the topic to them.
/// </remarks>
internal sealed class ModelNeighbours(ILibp2pHost host, OfferGossip gossip, OfferBook book, IProviderLookup lookup, TimeProvider time)
{
    /// <summary>Providers of one model to gossip with: one may leave and another be slow without an offer lost.</summary>
    private const int Wanted = 3;

    /// <summary>Followers whose connections a provider spares. Own choice: less than half of the low watermark.</summary>
    private const int SparedFollowers = 64;

    private const string Reason = "follower";

    /// <summary>Providers dialled in one round for one model, and asked of the DHT.</summary>
    private const int MaxDials = 6, MaxFound = 20;

    private static readonly TimeSpan Round = TimeSpan.FromSeconds(5), DialTime = TimeSpan.FromSeconds(10);

    /// <summary>A provider that let go of us has no place for us: it is left alone for so long.</summary>
    private static readonly TimeSpan DialPause = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan FirstLookup = TimeSpan.FromSeconds(20), LongestLookup = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, (DateTimeOffset Due, TimeSpan Pause)> _lookups = new();

    private readonly ConcurrentDictionary<PeerId, DateTimeOffset> _dialled = new();
    private HashSet<PeerId> _spared = [];

    /// <summary>Randomness of the choice; the simulator seeds it.</summary>
    internal Random Random { get; init; } = Random.Shared;

    /// <summary>Until it is cancelled.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Delay(Round, time, cancellationToken);
            DateTimeOffset old = time.GetUtcNow() - DialPause;
            foreach (PeerId peer in _dialled.Where(dial => dial.Value <= old).Select(dial => dial.Key).ToArray())
            {
                _dialled.TryRemove(peer, out _);
            }

            SpareFollowers();
            if (host.Connections.Count > 0)
            {
                await Task.WhenAll(gossip.Models.Select(model => KeepAsync(model.Key, model.Value, cancellationToken)));
            }
        }
    }

    private bool IsProvider(string model) => book.ForModel(model).Any(offer => offer.Peer == host.LocalPeer);

    /// <summary>Who was spared before is so first.</summary>
    private void SpareFollowers()
    {
        HashSet<PeerId> spared = [.. gossip.Models
            .Where(model => IsProvider(model.Key))
            .SelectMany(model => gossip.NeighboursOf(model.Value))
            .OrderByDescending(_spared.Contains)
            .Distinct()
            .Take(SparedFollowers)];
        foreach (PeerId peer in _spared.Except(spared))
        {
            host.Unprotect(peer, Reason);
        }

        foreach (PeerId peer in spared.Except(_spared))
        {
            host.Protect(peer, Reason);
        }

        _spared = spared;
    }

    private async Task KeepAsync(string model, ReadOnlyMemory<byte> modelId, CancellationToken cancellationToken)
    {
        if ((!IsProvider(model) && gossip.HasMesh(modelId)) || await ConnectAsync(model, modelId, [.. KnownProviders(model)], cancellationToken) == 0)
        {
            _lookups.TryRemove(model, out _);
        }
        else if (IsLookupDue(model))
        {
            HashSet<PeerId> found = [];
            await foreach (PeerId provider in lookup.FindProvidersAsync(OfferTopics.ProviderKey(modelId.Span), cancellationToken))
            {
                if (provider != host.LocalPeer && found.Add(provider) && found.Count == MaxFound)
                {
                    break;
                }
            }

            await ConnectAsync(model, modelId, [.. found.Union(KnownProviders(model))], cancellationToken);
        }
    }

    /// <returns>How many more providers are wanted than gossip with us.</returns>
    private async Task<int> ConnectAsync(string model, ReadOnlyMemory<byte> modelId, PeerId[] providers, CancellationToken cancellationToken)
    {
        HashSet<PeerId> neighbours = [.. gossip.NeighboursOf(modelId)];
        int missing = Wanted - KnownProviders(model).Union(providers).Count(neighbours.Contains);
        if (missing <= 0)
        {
            return 0;
        }

        PeerId[] others = [.. providers.Where(provider => !neighbours.Contains(provider) && !_dialled.ContainsKey(provider))];
        Random.Shuffle(others);
        int left = missing;
        foreach (PeerId provider in others.Take(MaxDials))
        {
            if (left > 0 && await TryAttendAsync(provider, cancellationToken))
            {
                left--;
            }
        }

        return missing;
    }

    private IEnumerable<PeerId> KnownProviders(string model)
    {
        foreach (VerifiedOffer offer in book.ForModel(model))
        {
            if (offer.Peer != host.LocalPeer)
            {
                host.AddAddresses(offer.Peer, offer.Addresses, OfferLimits.TimeToLive);
                yield return offer.Peer;
            }
        }
    }

    private async Task<bool> TryAttendAsync(PeerId provider, CancellationToken cancellationToken)
    {
        _dialled[provider] = time.GetUtcNow();
        using CancellationTokenSource timeout = new(DialTime, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            await host.ConnectAsync(provider, linked.Token);
            gossip.Attend(provider);
            return true;
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // A hint that led nowhere; the dialler backs off by itself.
            return false;
        }
    }

    private bool IsLookupDue(string model)
    {
        DateTimeOffset now = time.GetUtcNow();
        if (!_lookups.TryGetValue(model, out (DateTimeOffset Due, TimeSpan Pause) last))
        {
            // Whoever asked for the model has looked it up already, and gossip repeats every offer within this time.
            _lookups[model] = (now + FirstLookup, FirstLookup);
            return false;
        }

        if (last.Due > now)
        {
            return false;
        }

        TimeSpan pause = 2 * last.Pause < LongestLookup ? 2 * last.Pause : LongestLookup;
        _lookups[model] = (now + pause, pause);
        return true;
    }
}
