using Cocoon.Protocol.Libp2p;

namespace Cocoon.Tests.Simulation;

/// <summary>A connection between two simulated hosts, with the latency of their distance.</summary>
internal sealed class SimConnection(SimHost dialer, SimHost listener, long latency, SimLoop loop)
{
    /// <summary>What a write costs on the wire beside its payload: TCP/IP, one Noise record, one yamux frame.</summary>
    private const int FrameOverhead = 40 + 18 + 12;

    /// <summary>TCP, Noise and identify, both ways together.</summary>
    public const int SetupBytes = 3000;

    private readonly List<SimStream> _streams = [];
    private PeerConnectionInfo? _seenByDialer, _seenByListener;

    public SimHost Dialer => dialer;

    public SimHost Listener => listener;

    /// <summary>One way, in milliseconds.</summary>
    public long Latency => latency;

    public long OpenedAt { get; } = loop.Now;

    public bool IsClosed { get; private set; }

    public int StreamCount
    {
        get
        {
            _streams.RemoveAll(static stream => stream.IsDone);
            return _streams.Count;
        }
    }

    public SimHost Other(SimHost host) => host == dialer ? listener : dialer;

    /// <summary>As one side's inspection shows it; made once, and again after <see cref="Changed"/>.</summary>
    public PeerConnectionInfo SeenBy(SimHost host) => host == dialer
        ? _seenByDialer ??= Describe(listener, isOutbound: true)
        : _seenByListener ??= Describe(dialer, isOutbound: false);

    /// <summary>What one side knows of the other has changed.</summary>
    public void Changed(SimHost knower)
    {
        if (knower == dialer)
        {
            _seenByDialer = null;
        }
        else
        {
            _seenByListener = null;
        }
    }

    /// <summary>Opens a stream; the handler at the other side starts when its first byte could be there.</summary>
    public SimStream Open(SimHost opener, string protocol)
    {
        if (IsClosed)
        {
            throw new Libp2pException(Libp2pErrorCode.ConnectionClosed, "The connection is closed.");
        }

        SimHost acceptor = Other(opener);
        SimStream near = new(opener, acceptor.LocalPeer, protocol, this), far = new(acceptor, opener.LocalPeer, protocol, this);
        near.Join(far);
        if (_streams.Count % 32 == 31)
        {
            _streams.RemoveAll(static stream => stream.IsDone);
        }

        _streams.Add(near);
        loop.Schedule(() => acceptor.Serve(far), latency);
        return near;
    }

    public void Deliver(SimStream target, byte[]? chunk)
    {
        SimHost receiver = target.Owner;
        int size = (chunk?.Length ?? 0) + FrameOverhead;
        Other(receiver).Traffic.Sent(target.Protocol, size);
        receiver.Traffic.Received(target.Protocol, size);
        loop.Schedule(new Arrival(target, chunk), latency);
    }

    public void Reset(SimStream target) => loop.Schedule(new ResetArrival(target), latency);

    /// <summary>Ends it for one side now and for the other one when it can know.</summary>
    /// <param name="notice">Milliseconds until the other side notices.</param>
    public void Close(SimHost by, long? notice = null)
    {
        if (IsClosed)
        {
            return;
        }

        IsClosed = true;
        by.Forget(this);
        SimHost other = Other(by);
        loop.Schedule(
            () =>
            {
                _streams.ForEach(stream => stream.EndOf(other).Break());
                other.Forget(this);
            },
            notice ?? latency);
        _streams.ForEach(stream => stream.EndOf(by).Break());
    }

    private PeerConnectionInfo Describe(SimHost other, bool isOutbound) => new(
        other.LocalPeer, other.Addresses[0], isOutbound, IsRelayed: false, dialer.Clock.At(OpenedAt), SimHost.Agent, other.Protocols,
        TimeSpan.FromMilliseconds(2 * latency), 0, 0, 0);

    private sealed class Arrival(SimStream target, byte[]? chunk) : SimEvent
    {
        public override void Fire() => target.Arrive(chunk);
    }

    private sealed class ResetArrival(SimStream target) : SimEvent
    {
        public override void Fire() => target.Break();
    }
}
