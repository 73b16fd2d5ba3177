using System.Diagnostics.CodeAnalysis;
using System.Net;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Where peers said that they will connect from while a hole is punched in which we are the initiator.</summary>
/// <remarks>
/// Thread-safe. The roles of a punched connection were agreed on before, whoever's connect succeeds. A NAT that lets strangers in, or
/// none, hands the remote's connect to our listener, and the same pair of ports is then taken for our own connect: without this both
/// sides would wait there for the other one to begin.
/// </remarks>
internal sealed class ExpectedPunches
{
    private readonly Lock _lock = new();
    private readonly List<(IPEndPoint From, PeerId Peer)> _expected = [];

    /// <summary>Until the result is disposed of; the caller bounds the number of addresses.</summary>
    public IDisposable Expect(PeerId peer, IEnumerable<Multiaddr> addresses)
    {
        List<(IPEndPoint From, PeerId Peer)> added = [];
        foreach (Multiaddr address in addresses)
        {
            if (address.TryGetTcpEndPoint(out IPEndPoint? endPoint))
            {
                added.Add((endPoint, peer));
            }
        }

        lock (_lock)
        {
            _expected.AddRange(added);
        }

        return new Expectation(this, added);
    }

    public bool TryGet(IPEndPoint from, [NotNullWhen(true)] out PeerId? peer)
    {
        lock (_lock)
        {
            peer = _expected.Find(expected => expected.From.Equals(from)).Peer;
            return peer is not null;
        }
    }

    private sealed class Expectation(ExpectedPunches owner, List<(IPEndPoint From, PeerId Peer)> added) : IDisposable
    {
        public void Dispose()
        {
            lock (owner._lock)
            {
                added.ForEach(expected => owner._expected.Remove(expected));
            }

            added.Clear();
        }
    }
}
