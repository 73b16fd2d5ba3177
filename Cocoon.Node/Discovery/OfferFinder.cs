using System.Numerics;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Discovery;

/// <summary>Finds offers of a model: book first, then connected peers and the DHT's provider records, until one is there.</summary>
/// <remarks>
/// What gossip keeps fresh is not asked for again: the providers of a model that was asked for are looked up at once, those of others
/// only after gossip had its turn, then ever more rarely while the book has offers.
/// </remarks>
internal sealed partial class OfferFinder(
    ILibp2pHost host, OfferBook book, ModelDirectory directory, OfferGossip gossip, OfferExchange exchange, IProviderLookup lookup, TimeProvider time,
    ILogger<OfferFinder> logger) : IOfferFinder
{
    private const int MaxPeersAsked = 8;

    /// <summary>Providers that must have told what they know: more would tell the same.</summary>
    private const int ProvidersAsked = 3;

    private const int MaxProvidersTried = 20;

    /// <summary>Models that a node follows although nobody here has asked for them, in a network that has no more than these.</summary>
    private const int MaxFollowed = 16;

    private const int MaxLooks = 1024;

    private static readonly TimeSpan FirstRound = TimeSpan.FromMilliseconds(500), LongestRound = TimeSpan.FromSeconds(4);

    /// <summary>Time that a request gives to a second source while it has offers from one, and how often.</summary>
    private static readonly TimeSpan SecondSourceWait = TimeSpan.FromSeconds(1), SecondSourceInterval = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan FirstLook = TimeSpan.FromSeconds(10), LongestLook = TimeSpan.FromMinutes(10);

    /// <summary>What gossip is given to bring the offers of a model that nobody waits for: it repeats each of them within 15 s.</summary>
    private static readonly TimeSpan GossipsTurn = TimeSpan.FromSeconds(20);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (DateTimeOffset Due, TimeSpan Pause)> _looks = [];
    private readonly Dictionary<string, DateTimeOffset> _secondSource = [];

    public async Task<IReadOnlyList<VerifiedOffer>> FindAsync(string model, TimeSpan wait, CancellationToken cancellationToken)
    {
        IReadOnlyList<VerifiedOffer> known = book.ForName(model);
        if (known.Count > 0)
        {
            if (HasTwoSources(known) || !IsTimeForSecondSource(model))
            {
                return known;
            }

            wait = wait < SecondSourceWait ? wait : SecondSourceWait;
        }

        using CancellationTokenSource timeout = new(wait, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            for (TimeSpan round = FirstRound; ; round = 2 * round < LongestRound ? 2 * round : LongestRound)
            {
                await SearchAsync(model, linked.Token);
                if (book.ForName(model) is { Count: > 0 } found)
                {
                    return found;
                }

                await Task.Delay(round, time, linked.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return book.ForName(model);
        }
    }

    /// <summary>
    /// What a node does without being asked: learns from its first peers, and in a small network follows every model, so that lists are
    /// not empty. In a larger one it follows only the models that were asked for.
    /// </summary>
    public async Task LookAroundAsync(CancellationToken cancellationToken)
    {
        if (book.All().Count == 0)
        {
            await AskPeersAsync([], cancellationToken);
        }

        IReadOnlyList<byte[]> models = directory.Popular(MaxFollowed + 1);
        await Task.WhenAll((models.Count <= MaxFollowed ? models : []).Select(id => FollowAsync(id, isAsked: false, cancellationToken)));
    }

    /// <summary>One round for a model that is wanted now, by name or id; without one, a look around.</summary>
    public async Task SearchAsync(string? model, CancellationToken cancellationToken)
    {
        if (model is null)
        {
            await LookAroundAsync(cancellationToken);
            return;
        }

        HashSet<string> ids = IdsOf(model);
        if (ids.Count == 0)
        {
            await AskPeersAsync([], cancellationToken);
            ids = IdsOf(model);
        }

        await Task.WhenAll(ids.Take(MaxFollowed).Select(hex => FollowAsync(Convert.FromHexString(hex), isAsked: true, cancellationToken)));
    }

    private HashSet<string> IdsOf(string model)
    {
        HashSet<string> ids = [.. book.ForName(model).Select(o => o.ModelIdHex), .. directory.Find(model).Select(Convert.ToHexStringLower)];
        if (model is { Length: 64 } && model.All(char.IsAsciiHexDigitLower))
        {
            ids.Add(model);
        }

        return ids;
    }

    /// <summary>Joins the model's gossip, and asks peers and providers where that is due.</summary>
    private async Task FollowAsync(byte[] modelId, bool isAsked, CancellationToken cancellationToken)
    {
        await gossip.JoinModelAsync(modelId, cancellationToken);
        string hex = Convert.ToHexStringLower(modelId);
        if (isAsked)
        {
            await Task.WhenAll(AskPeersAsync(modelId, cancellationToken), AskProvidersAsync(modelId, cancellationToken));
        }
        else if (IsLookDue(hex))
        {
            if (book.ForModel(hex).Count == 0)
            {
                await AskProvidersAsync(modelId, cancellationToken);
            }

            Looked(hex);
        }
    }

    private bool IsLookDue(string hex)
    {
        lock (_lock)
        {
            DateTimeOffset now = time.GetUtcNow();
            if (_looks.TryGetValue(hex, out (DateTimeOffset Due, TimeSpan Pause) look))
            {
                return look.Due <= now;
            }

            Remember(hex, (now + GossipsTurn, FirstLook));
            return false;
        }
    }

    private void Looked(string hex)
    {
        bool found = book.ForModel(hex).Count > 0;
        lock (_lock)
        {
            TimeSpan pause = found && _looks.TryGetValue(hex, out (DateTimeOffset Due, TimeSpan Pause) look) ? 2 * look.Pause : FirstLook;
            pause = pause < LongestLook ? pause : LongestLook;
            Remember(hex, (time.GetUtcNow() + pause, pause));
        }
    }

    /// <summary>Needs the lock.</summary>
    private void Remember(string hex, (DateTimeOffset Due, TimeSpan Pause) look)
    {
        if (_looks.Count >= MaxLooks)
        {
            _looks.Clear();
        }

        _looks[hex] = look;
    }

    private bool HasTwoSources(IReadOnlyList<VerifiedOffer> offers) =>
        BitOperations.PopCount((uint)book.SourcesOf(offers.Select(o => o.ModelIdHex).Distinct())) >= 2;

    private bool IsTimeForSecondSource(string model)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            if (_secondSource.TryGetValue(model, out DateTimeOffset next) && next > now)
            {
                return false;
            }

            if (_secondSource.Count >= MaxLooks)
            {
                _secondSource.Clear();
            }

            _secondSource[model] = now + SecondSourceInterval;
            return true;
        }
    }

    private async Task AskPeersAsync(byte[] modelId, CancellationToken cancellationToken) => await Task.WhenAll(
        host.Connections.Select(c => c.Peer).Distinct().Take(MaxPeersAsked).ToArray().Select(p => FetchAsync(p, modelId, OfferSource.Peers, cancellationToken)));

    /// <summary>Asks the providers that the DHT names, a few at a time, until enough of them have answered: its records outlive providers.</summary>
    private async Task AskProvidersAsync(byte[] modelId, CancellationToken cancellationToken)
    {
        List<Task<bool>> asking = [];
        int answered = 0, tried = 0;
        await foreach (PeerId provider in lookup.FindProvidersAsync(OfferTopics.ProviderKey(modelId), cancellationToken))
        {
            if (provider == host.LocalPeer)
            {
                continue;
            }

            asking.Add(FetchAsync(provider, modelId, OfferSource.Dht, cancellationToken));
            tried++;
            while (asking.Count + answered >= ProvidersAsked && asking.Count > 0)
            {
                Task<bool> done = await Task.WhenAny(asking);
                asking.Remove(done);
                answered += await done ? 1 : 0;
            }

            if (answered >= ProvidersAsked || tried >= MaxProvidersTried)
            {
                break;
            }
        }

        await Task.WhenAll(asking);
    }

    private async Task<bool> FetchAsync(PeerId peer, ReadOnlyMemory<byte> modelId, OfferSource source, CancellationToken cancellationToken)
    {
        try
        {
            IReadOnlyList<ReadOnlyMemory<byte>> offers = await exchange.FetchAsync(peer, modelId, cancellationToken);
            string? network = IpGroups.NetworkOf(host, peer);
            foreach (ReadOnlyMemory<byte> offer in offers)
            {
                gossip.Add(offer, source, modelId, peer, network);
            }

            if (offers.Count > 0 && !modelId.IsEmpty)
            {
                gossip.Attend(peer);
            }

            return true;
        }
        catch (IOException)
        {
            Log.PeerDidNotAnswer(logger, peer);
            return false;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1201, LogLevel.Debug, "Peer {Peer} did not tell its offers")]
        public static partial void PeerDidNotAnswer(ILogger logger, PeerId peer);
    }
}
