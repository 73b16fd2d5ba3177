using System.Diagnostics;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Offers;

namespace Cocoon.Tests.Simulation;

/// <summary>Watches a simulation from outside and makes its report.</summary>
internal sealed class SimulationMeasures(Simulation simulation, SimulationOptions options)
{
    /// <summary>A node counts as a listener of a topic this long after it joined it.</summary>
    private const long ListeningAfter = 5_000;

    /// <summary>An offer that is this old has reached whom it will reach.</summary>
    private const long SettledAfter = 10_000;

    private readonly Distribution _propagation = new(), _firstOffers = new(), _hops = new(), _requests = new(), _lookupTimes = new();
    private readonly Distribution _crashed = new(), _withdrawn = new();
    private readonly Dictionary<PeerId, Dictionary<ulong, Publication>> _published = [];
    private readonly Dictionary<SimNode, (long Delivered, long Duplicates)> _before = [];
    private readonly long _started = Stopwatch.GetTimestamp();
    private long _begun;
    private int _missedFirstOffers, _lookups, _successes, _offers, _listeners, _heard, _withdrawals, _notWithdrawn;

    private bool IsMeasuring => _begun > 0;

    private SimLoop Loop => simulation.Loop;

    public void Begin()
    {
        _begun = Loop.Now;
        foreach (SimNode node in simulation.Nodes)
        {
            node.Host.Traffic.Clear();
            GossipsubCounts counts = node.Gossip.Snapshot().Counts;
            _before[node] = (counts.Delivered, counts.Duplicates);
        }

        ScheduleProbe();
    }

    public void OnOffer(SimNode node, VerifiedOffer offer)
    {
        if (!IsMeasuring)
        {
            return;
        }

        if (offer.Peer == node.Host.LocalPeer)
        {
            OnPublish(node, offer);
        }
        else if (_published.TryGetValue(offer.Peer, out Dictionary<ulong, Publication>? own)
            && own.TryGetValue(offer.Offer.Sequence, out Publication? publication)
            && publication.Listeners.Remove(node))
        {
            long delay = Loop.Now - publication.At;
            (publication.IsWithdrawal ? _withdrawn : _propagation).Add(delay);
        }
    }

    public void OnLookup(KadMessageType type, KadQueryResult result)
    {
        if (IsMeasuring && type == KadMessageType.GetProviders)
        {
            _hops.Add(result.Hops + 1);
            _requests.Add(result.Requests);
        }
    }

    /// <param name="after"><c>null</c> when there was none in time.</param>
    public void OnFirstOffer(long? after)
    {
        if (after is { } time)
        {
            _firstOffers.Add(time);
        }
        else
        {
            _missedFirstOffers++;
        }
    }

    public void OnCrash(SimNode node)
    {
        if (node.Serves is not { } model)
        {
            return;
        }

        long at = Loop.Now;

        // What is still in flight arrives; from then on only time removes the offer.
        Loop.Schedule(
            () =>
            {
                foreach (SimNode other in Users(model))
                {
                    if (Shown(other, model, node.Host.LocalPeer) is { } offer)
                    {
                        _crashed.Add((offer.ExpiresAt - other.Host.Clock.GetUtcNow()).TotalMilliseconds + (Loop.Now - at));
                    }
                }
            },
            2_000);
    }

    public void OnLeave(SimNode node)
    {
        if (node.Serves is not { } model)
        {
            return;
        }

        Loop.Schedule(
            () =>
            {
                foreach (SimNode other in Users(model))
                {
                    _withdrawals++;
                    _notWithdrawn += Shown(other, model, node.Host.LocalPeer) is null ? 0 : 1;
                }
            },
            2_000);
    }

    public SimulationReport End()
    {
        foreach (Publication publication in _published.Values.SelectMany(own => own.Values).Where(publication => Loop.Now - publication.At >= SettledAfter && !publication.IsWithdrawal))
        {
            Count(publication);
        }

        double seconds = (Loop.Now - _begun) / 1000.0;
        SimNode[] whole = [.. simulation.Nodes.Where(_before.ContainsKey)];
        SimNode[] clients = [.. whole.Where(node => node.Uses.Count > 0)], providers = [.. whole.Where(node => node.Serves is not null)];
        (long delivered, long duplicates) = (0, 0);
        foreach (SimNode node in whole)
        {
            GossipsubCounts counts = node.Gossip.Snapshot().Counts;
            delivered += counts.Delivered - _before[node].Delivered;
            duplicates += counts.Duplicates - _before[node].Duplicates;
        }

        Distribution bytes = new();
        Array.ForEach(clients, node => bytes.Add(node.Host.Traffic.Total / seconds));
        return new SimulationReport
        {
            Nodes = options.Nodes,
            Providers = options.Providers,
            Models = options.ModelCount,
            ChurnPerMinute = options.Churn,
            Minutes = options.Minutes,
            Seed = options.Seed,
            Start = options.Cold ? "cold" : "warm",
            ConnectionsHigh = options.ConnectionsHigh,
            Offers = _offers,
            Delivered = _listeners == 0 ? 0 : (double)_heard / _listeners,
            PropagationP50 = _propagation.Quantile(0.5),
            PropagationP99 = _propagation.Quantile(0.99),
            DuplicatesPerMessage = delivered == 0 ? 0 : (double)duplicates / delivered,
            MessagesPerSecond = whole.Length == 0 ? 0 : delivered / seconds / whole.Length,
            ClientBytesPerSecond = bytes.Mean,
            ClientBytesPerSecondP99 = bytes.Quantile(0.99),
            ProviderBytesPerSecond = providers.Length == 0 ? 0 : providers.Average(node => node.Host.Traffic.Total) / seconds,
            ClientBytesByPurpose = Enum.GetValues<SimPurpose>().ToDictionary(
                purpose => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(purpose.ToString()),
                purpose => clients.Length == 0 ? 0 : clients.Average(node => node.Host.Traffic.Of(purpose)) / seconds),
            Lookups = _lookups,
            LookupSuccess = _lookups == 0 ? 0 : (double)_successes / _lookups,
            LookupMilliseconds = _lookupTimes.Mean,
            HopsMean = _hops.Mean,
            HopsP99 = _hops.Quantile(0.99),
            RequestsPerLookup = _requests.Mean,
            FirstOfferP50 = _firstOffers.Quantile(0.5),
            FirstOfferP99 = _firstOffers.Quantile(0.99),
            FirstOfferMissed = _firstOffers.Count + _missedFirstOffers == 0 ? 0 : (double)_missedFirstOffers / (_firstOffers.Count + _missedFirstOffers),
            CrashedOfferP50 = _crashed.Quantile(0.5),
            CrashedOfferMax = _crashed.Max,
            WithdrawnOfferP99 = _withdrawn.Quantile(0.99),
            WithdrawnMissedShare = _withdrawals == 0 ? 0 : (double)_notWithdrawn / _withdrawals,
            NodeBytesPerSecond = whole.Length == 0 ? 0 : whole.Average(node => node.Host.Traffic.Total) / seconds,
            DialsPerMinute = whole.Length == 0 ? 0 : whole.Average(node => node.Host.Traffic.Dials) / seconds * 60,
            FailedDialsPerMinute = whole.Length == 0 ? 0 : whole.Average(node => node.Host.Traffic.FailedDials) / seconds * 60,
            ConnectionsMean = simulation.Nodes.Average(node => node.Host.ConnectionCount),
            TableMean = simulation.Nodes.Where(node => node.Host.IsDialable).Average(node => node.Dht.PeerCount),
            Strays = Loop.Strays,
            WallSeconds = Stopwatch.GetElapsedTime(_started).TotalSeconds,
            CpuSeconds = Environment.CpuUsage.TotalTime.TotalSeconds,
            PeakMegabytes = Process.GetCurrentProcess().PeakWorkingSet64 / 1e6,
        };
    }

    private static VerifiedOffer? Shown(SimNode node, SimModel model, PeerId provider) => node.Book.ForModel(model.Hex).FirstOrDefault(offer => offer.Peer == provider);

    private IEnumerable<SimNode> Users(SimModel model) => simulation.Nodes.Where(node => node.Uses.Contains(model) && !node.IsLeaving);

    private void OnPublish(SimNode node, VerifiedOffer offer)
    {
        SimModel model = node.Serves!;
        HashSet<SimNode> listeners = [.. Users(model).Where(user => user.Listens(model, Loop.Now - ListeningAfter))];
        Publication publication = new(Loop.Now, offer.IsWithdrawal, listeners, listeners.Count);
        if (!_published.TryGetValue(offer.Peer, out Dictionary<ulong, Publication>? own))
        {
            _published.Add(offer.Peer, own = []);
        }

        foreach ((ulong sequence, Publication old) in own.Where(item => Loop.Now - item.Value.At >= SettledAfter).ToList())
        {
            own.Remove(sequence);
            if (!old.IsWithdrawal)
            {
                Count(old);
            }
        }

        own[offer.Offer.Sequence] = publication;
    }

    private void Count(Publication publication)
    {
        _offers++;

        // Who left meanwhile can hear nothing.
        int missed = publication.Listeners.Count(node => !node.Host.IsDead && !node.IsLeaving);
        int gone = publication.Listeners.Count - missed;
        _listeners += publication.Expected - gone;
        _heard += publication.Expected - gone - missed;
    }

    private void ScheduleProbe() => Loop.Schedule(
        () =>
        {
            simulation.Network.Watch(ProbeAsync());
            ScheduleProbe();
        },
        Math.Max(100, 1_000_000 / options.Nodes));

    /// <summary>Half of the probes look for a peer, half for the providers of a model.</summary>
    private async Task ProbeAsync()
    {
        Random random = simulation.Random;
        SimNode asker = simulation.Nodes[random.Next(simulation.Nodes.Count)];
        SimNode[] servers = [.. simulation.Nodes.Where(node => node.Host.IsDialable && node != asker && Loop.Now - node.JoinedAt > 60_000)];
        SimModel[] provided = [.. simulation.Models.Where(model => Array.Exists(servers, node => node.Serves == model))];
        if (asker.IsLeaving || Loop.Now - asker.JoinedAt < 60_000 || servers.Length == 0 || provided.Length == 0)
        {
            return;
        }

        long start = Loop.Now;
        bool found;
        if (random.Next(2) == 0)
        {
            found = await asker.Dht.FindPeerAsync(servers[random.Next(servers.Length)].Host.LocalPeer) is not null;
        }
        else
        {
            found = false;
            await foreach (PeerId _ in asker.FindProvidersAsync(OfferTopics.ProviderKey(provided[random.Next(provided.Length)].Id), CancellationToken.None))
            {
                found = true;
                break;
            }
        }

        if (!asker.Host.IsDead)
        {
            _lookups++;
            _successes += found ? 1 : 0;
            _lookupTimes.Add(Loop.Now - start);
        }
    }

    private sealed record Publication(long At, bool IsWithdrawal, HashSet<SimNode> Listeners, int Expected);
}
