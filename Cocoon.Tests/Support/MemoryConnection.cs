using Cocoon.Protocol.Libp2p;

namespace Cocoon.Tests.Support;

/// <summary>A connection between two in-memory hosts.</summary>
internal sealed class MemoryConnection(MemoryHost dialer, MemoryHost listener, TimeSpan latency, DateTimeOffset openedAt)
{
    private readonly Lock _lock = new();
    private readonly List<(MemoryPipe There, MemoryPipe Back)> _pipes = [];
    private bool _closed;
    private long _endedBytes;

    public MemoryHost Dialer => dialer;

    public MemoryHost Listener => listener;

    public TimeSpan Latency => latency;

    public DateTimeOffset OpenedAt => openedAt;

    public MemoryHost Other(MemoryHost host) => host == dialer ? listener : dialer;

    /// <summary>Opens a stream from <paramref name="opener"/> to the other side.</summary>
    public (MemoryPeerStream Opener, MemoryPeerStream Acceptor) Open(MemoryHost opener, string protocol, TimeProvider time)
    {
        MemoryHost acceptor = Other(opener);
        MemoryPipe there = new(time, latency), back = new(time, latency);
        lock (_lock)
        {
            if (_closed)
            {
                throw new Libp2pException(Libp2pErrorCode.ConnectionClosed, "The connection is closed.");
            }

            ForgetEnded();
            _pipes.Add((there, back));
        }

        return (new MemoryPeerStream(acceptor.LocalPeer, protocol, back, there), new MemoryPeerStream(opener.LocalPeer, protocol, there, back));
    }

    public (int Streams, long Bytes) Measure()
    {
        lock (_lock)
        {
            ForgetEnded();
            return (_pipes.Count, _endedBytes + _pipes.Sum(pipe => pipe.There.Bytes + pipe.Back.Bytes));
        }
    }

    /// <summary>A long test opens very many streams; only their bytes are remembered.</summary>
    private void ForgetEnded() => _pipes.RemoveAll(pipe =>
    {
        bool ended = pipe.There.IsDone && pipe.Back.IsDone;
        _endedBytes += ended ? pipe.There.Bytes + pipe.Back.Bytes : 0;
        return ended;
    });

    public void Break()
    {
        lock (_lock)
        {
            _closed = true;
            foreach ((MemoryPipe there, MemoryPipe back) in _pipes)
            {
                there.Break();
                back.Break();
            }
        }
    }
}
