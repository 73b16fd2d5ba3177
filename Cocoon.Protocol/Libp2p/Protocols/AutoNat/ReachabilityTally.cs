using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.AutoNat;

/// <summary>The newest answer of each network about our reachability, and the verdict that follows.</summary>
/// <remarks>
/// One voice a network, so that an owner of many peers has no more. Where only one or two networks can be asked, they have the missing
/// voices too, but only when they repeat themselves: one dial that failed proves nothing. Thread-safe and bounded.
/// </remarks>
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

            int times = _answers.TryGetValue(network, out Answer? before) && before.Says(reached is not null) ? before.Times + 1 : 1;
            _answers[network] = new Answer(time.GetUtcNow(), reached, times);
        }
    }

    /// <param name="networks">Networks that could be asked now: where there are fewer than the wanted confirmations, each counts for more when it says the same again.</param>
    /// <param name="current">The verdict until now: it stays until as much speaks for another one as a verdict needs.</param>
    public ReachabilityReport Report(int networks, Reachability current)
    {
        DateTimeOffset oldest = time.GetUtcNow() - options.AnswerTimeToLive;
        lock (_lock)
        {
            foreach (string network in _answers.Where(answer => answer.Value.At < oldest).Select(answer => answer.Key).ToList())
            {
                _answers.Remove(network);
            }

            int voices = (int)Math.Ceiling((double)options.Confirmations / Math.Max(1, Math.Max(networks, _answers.Count)));
            int reached = Weight(_answers.Values.Where(answer => answer.Says(true))), missed = Weight(_answers.Values.Where(answer => answer.Says(false)));
            Reachability verdict = reached > missed && reached >= options.Confirmations ? Reachability.Public
                : missed > reached && missed >= options.Confirmations ? Reachability.Private
                : _answers.Count > 0 ? current
                : Reachability.Unknown;
            IReadOnlyList<Multiaddr> verified = verdict != Reachability.Public ? [] : [.. _answers.Values
                .Where(answer => answer.Reached is not null)
                .GroupBy(answer => answer.Reached!)
                .OrderByDescending(Weight)
                .Where(group => Weight(group) >= Math.Min(options.Confirmations, reached))
                .Select(group => group.Key)];
            int successes = _answers.Values.Count(answer => answer.Says(true));
            return new ReachabilityReport(
                verdict, verified, successes, _answers.Count - successes, _answers.Count == 0 ? null : _answers.Values.Max(answer => answer.At));

            int Weight(IEnumerable<Answer> answers) => answers.Sum(answer => Math.Min(answer.Times, voices));
        }
    }

    /// <param name="Times">How often in a row the network said so.</param>
    private sealed record Answer(DateTimeOffset At, Multiaddr? Reached, int Times)
    {
        public bool Says(bool isReached) => Reached is not null == isReached;
    }
}
