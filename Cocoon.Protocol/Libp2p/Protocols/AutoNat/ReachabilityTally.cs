using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.AutoNat;

/// <summary>The newest answer of each network about our reachability, and the verdict that follows.</summary>
/// <remarks>One answer a network, so that one owner of many peers has one voice. Thread-safe and bounded.</remarks>
internal sealed class ReachabilityTally(AutoNatOptions options, TimeProvider time)
{
    private const int MaxNetworks = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Answer> _answers = [];

    /// <param name="network">Whose answer it is.</param>
    /// <param name="reached">Where the dial arrived; <c>null</c> when it did not.</param>
    public void Add(string network, Multiaddr? reached)
    {
        lock (_lock)
        {
            if (_answers.Count >= MaxNetworks && !_answers.ContainsKey(network))
            {
                _answers.Remove(_answers.MinBy(answer => answer.Value.At).Key);
            }

            _answers[network] = new Answer(time.GetUtcNow(), reached);
        }
    }

    /// <summary>Our addresses or network changed: what was true of the old ones says nothing.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _answers.Clear();
        }
    }

    /// <param name="networks">Networks that could be asked now: where there are fewer than the wanted confirmations, all of them must agree.</param>
    /// <param name="current">The verdict until now: it stays while most answers speak for it, also when more networks could be asked.</param>
    public ReachabilityReport Report(int networks, Reachability current)
    {
        DateTimeOffset oldest = time.GetUtcNow() - options.AnswerTimeToLive;
        lock (_lock)
        {
            foreach (string network in _answers.Where(answer => answer.Value.At < oldest).Select(answer => answer.Key).ToList())
            {
                _answers.Remove(network);
            }

            int needed = Math.Clamp(networks, 1, options.Confirmations);
            int successes = _answers.Values.Count(answer => answer.Reached is not null), failures = _answers.Count - successes;
            Reachability verdict = successes > failures && (successes >= needed || current == Reachability.Public) ? Reachability.Public
                : failures > successes && (failures >= needed || current == Reachability.Private) ? Reachability.Private
                : Reachability.Unknown;
            IReadOnlyList<Multiaddr> verified = verdict != Reachability.Public ? [] : [.. _answers.Values
                .Where(answer => answer.Reached is not null)
                .GroupBy(answer => answer.Reached!)
                .OrderByDescending(group => group.Count())
                .Where(group => group.Count() >= Math.Min(needed, successes))
                .Select(group => group.Key)];
            return new ReachabilityReport(verdict, verified, successes, failures, _answers.Count == 0 ? null : _answers.Values.Max(answer => answer.At));
        }
    }

    private sealed record Answer(DateTimeOffset At, Multiaddr? Reached);
}
