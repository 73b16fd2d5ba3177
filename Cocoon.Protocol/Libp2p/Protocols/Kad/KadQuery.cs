using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>A peer that answered a query, nearest first in results.</summary>
/// <param name="Hops">How many answers led to it; 0 for peers of our own table.</param>
/// <param name="Groups">Address groups that it is said to be in.</param>
internal sealed record KadResponder(PeerId Peer, KadId Distance, int Hops, IReadOnlyList<string> Groups);

/// <summary>What a query did.</summary>
/// <param name="Unasked">Peers that it heard of and did not ask itself, nearest first, at most k.</param>
/// <param name="Stopped">Whether the caller had what it wanted before the nearest peers were exhausted.</param>
/// <param name="Hops">How many answers led to the one that ended it, or to the nearest peer.</param>
internal sealed record KadQueryResult(
    IReadOnlyList<KadResponder> Closest, IReadOnlyList<KadResponder> Unasked, int Requests, int Failures, bool Stopped, int Hops);

/// <summary>
/// One iterative lookup: asks ever nearer peers, a bounded number at once, until the nearest that it may ask (k, or its share of k
/// among disjoint paths) have answered or the caller has what it wants.
/// </summary>
/// <remarks>
/// Used by one caller. Peers named by others are only candidates: they count when they answer. No more than three peers of one address group
/// are asked, those that did not answer not counted: who only names peers of a group shuts nobody of it out. Disjoint paths share <paramref name="tryClaim"/>, so that a peer of which several heard is asked by
/// one of them: who only hears of peers takes them from nobody. Cancelling ends it with what it has.
/// </remarks>
internal sealed class KadQuery(
    KadId target,
    KadOptions options,
    int parallelism,
    int breadth,
    Func<PeerId, bool> tryClaim,
    Func<PeerId, CancellationToken, Task<KadMessage?>> ask,
    Func<PeerId, KadMessage, bool> onAnswer)
{
    private const int MaxCandidates = 1024;
    private const int MaxPerGroup = 3;

    /// <summary>Groups remembered of one candidate: who names it may be wrong about its address.</summary>
    private const int MaxGroups = 4;

    private readonly SortedList<KadId, Candidate> _candidates = [];
    private readonly Dictionary<PeerId, Candidate> _heard = [];
    private readonly Dictionary<string, int> _groups = [];
    private readonly List<(Task<KadMessage?> Answer, Candidate Candidate)> _running = [];
    private int _requests;
    private int _failures;
    private int _lastHops;

    private enum State
    {
        Heard,
        Asked,
        Answered,
        Failed,

        /// <summary>Another path asks it.</summary>
        Elsewhere,
    }

    /// <param name="seeds">Peers of our own table.</param>
    public Task<KadQueryResult> RunAsync(IEnumerable<PeerId> seeds, CancellationToken cancellationToken)
    {
        foreach (PeerId seed in seeds)
        {
            Add(seed, 0, []);
        }

        return RunAsync(cancellationToken);
    }

    /// <summary>Goes on where other paths ended.</summary>
    public Task<KadQueryResult> RunAsync(IReadOnlyCollection<KadQueryResult> paths, CancellationToken cancellationToken)
    {
        foreach (KadResponder peer in paths.SelectMany(path => path.Closest))
        {
            Add(peer.Peer, peer.Hops, peer.Groups, State.Answered);
        }

        foreach (KadResponder peer in paths.SelectMany(path => path.Unasked))
        {
            Add(peer.Peer, peer.Hops, peer.Groups);
        }

        return RunAsync(cancellationToken);
    }

    private async Task<KadQueryResult> RunAsync(CancellationToken cancellationToken)
    {
        bool stopped = false;
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            while (!stopped && !cancellationToken.IsCancellationRequested)
            {
                AskNext(ending.Token);
                if (_running.Count == 0)
                {
                    break;
                }

                await Task.WhenAny(_running.Select(static item => item.Answer));
                int done = _running.FindIndex(static item => item.Answer.IsCompleted);
                (Task<KadMessage?> answer, Candidate candidate) = _running[done];
                _running.RemoveAt(done);
                stopped = Take(candidate, await answer);
            }
        }
        finally
        {
            ending.Cancel();
            await Task.WhenAll(_running.Select(static item => item.Answer));
        }

        List<KadResponder> closest = Nearest(State.Answered);
        return new KadQueryResult(
            closest, Nearest(State.Heard), _requests, _failures, stopped, stopped ? _lastHops : closest.Count > 0 ? closest[0].Hops : 0);
    }

    private List<KadResponder> Nearest(State state) =>
    [
        .. _candidates.Where(item => item.Value.State == state).Take(options.BucketSize)
            .Select(item => new KadResponder(item.Value.Peer, item.Key, item.Value.Hops, item.Value.Groups)),
    ];

    private void AskNext(CancellationToken cancellationToken)
    {
        int considered = 0;
        foreach (Candidate candidate in _candidates.Values)
        {
            if (_running.Count >= parallelism || considered >= breadth)
            {
                return;
            }

            if (candidate.State == State.Heard && TryEnterGroup(candidate))
            {
                candidate.State = tryClaim(candidate.Peer) ? State.Asked : State.Elsewhere;
                if (candidate.State == State.Asked)
                {
                    _requests++;
                    _running.Add((ask(candidate.Peer, cancellationToken), candidate));
                }
                else
                {
                    LeaveGroup(candidate);
                }
            }

            considered += candidate.State is State.Asked or State.Answered ? 1 : 0;
        }
    }

    private bool Take(Candidate candidate, KadMessage? answer)
    {
        if (answer is null)
        {
            _failures++;
            candidate.State = State.Failed;
            LeaveGroup(candidate);
            return false;
        }

        candidate.State = State.Answered;
        _lastHops = candidate.Hops;
        foreach (KadPeer peer in answer.CloserPeers.Take(MaxCloser))
        {
            if (_heard.TryGetValue(peer.Peer, out Candidate? known))
            {
                known.Hear(GroupOf(peer));
            }
            else
            {
                Add(peer.Peer, candidate.Hops + 1, GroupOf(peer) is { } group ? [group] : []);
            }
        }

        return onAnswer(candidate.Peer, answer);
    }

    /// <summary>An honest answer has the k nearest, and may have the target itself besides. Who names more fills the query with peers that are none.</summary>
    private int MaxCloser => options.BucketSize + 1;

    private string? GroupOf(KadPeer peer) => options.AllowLocalAddresses ? null : peer.Addresses.Select(IpGroups.Wide).FirstOrDefault(static group => group is not null);

    /// <summary>Whether a group that it may be in has a place left; takes it.</summary>
    private bool TryEnterGroup(Candidate candidate)
    {
        candidate.Group = candidate.Groups.FirstOrDefault(group => _groups.GetValueOrDefault(group) < MaxPerGroup);
        if (candidate.Group is { } entered)
        {
            _groups[entered] = _groups.GetValueOrDefault(entered) + 1;
        }

        return candidate.Group is not null || candidate.Groups.Count == 0;
    }

    private void LeaveGroup(Candidate candidate)
    {
        if (candidate.Group is { } left)
        {
            _groups[left]--;
            candidate.Group = null;
        }
    }

    private void Add(PeerId peer, int hops, IReadOnlyList<string> groups, State state = State.Heard)
    {
        Candidate added = new(peer, hops) { State = state, Groups = groups };
        if (_candidates.Count < MaxCandidates && _heard.TryAdd(peer, added))
        {
            _candidates.Add(target.DistanceTo(KadId.Of(peer)), added);
            if (state == State.Answered)
            {
                TryEnterGroup(added);
            }
        }
    }

    private sealed class Candidate(PeerId peer, int hops)
    {
        public PeerId Peer { get; } = peer;

        public int Hops { get; } = hops;

        public required State State { get; set; }

        /// <summary>Those that others said it is in.</summary>
        public required IReadOnlyList<string> Groups { get; set; }

        /// <summary>The one in which it takes a place.</summary>
        public string? Group { get; set; }

        public void Hear(string? group)
        {
            if (group is not null && Groups.Count < MaxGroups && !Groups.Contains(group))
            {
                Groups = [.. Groups, group];
            }
        }
    }
}
