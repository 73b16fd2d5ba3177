using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Multistream;
using Cocoon.Protocol.Libp2p.Muxers;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>A yamux stream with its peer and protocol.</summary>
/// <remarks>
/// A stream whose protocol was proposed optimistically reads the remote's answer before the first bytes; a refusal surfaces there. Its
/// end is held back until then: js-libp2p loses an end that arrives before its handler listens, and would wait for it for ever.
/// </remarks>
internal sealed class PeerStream(YamuxStream stream, PeerConnection connection, string protocol, bool answerPending) : IPeerStream
{
    private readonly Lock _lock = new();
    private bool _answerPending = answerPending;
    private bool _endWaits;

    public PeerId RemotePeer => connection.RemotePeer;

    /// <summary>What the stream runs on: several connections to one peer may be open.</summary>
    public PeerConnection Connection => connection;

    public string Protocol => protocol;

    /// <summary>The stream below; its last activity and reset are for the connection's sweep.</summary>
    public YamuxStream Inner => stream;

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        Volatile.Read(ref _answerPending) ? ReadAnswerAsync(buffer, cancellationToken) : stream.ReadAsync(buffer, cancellationToken);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => stream.WriteAsync(buffer, cancellationToken);

    public ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_answerPending)
            {
                _endWaits = true;
                stream.Flush();
                return ValueTask.CompletedTask;
            }
        }

        return stream.CloseWriteAsync(cancellationToken);
    }

    public void Reset() => stream.Reset();

    public async ValueTask DisposeAsync()
    {
        if (TakeEnd())
        {
            // Its owner does not wait for an answer.
            await stream.CloseWriteAsync(CancellationToken.None);
        }

        await stream.DisposeAsync();
    }

    private async ValueTask<int> ReadAnswerAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        stream.Flush();
        try
        {
            await MultistreamSelect.FinishDialAsync(stream, protocol, cancellationToken);
        }
        catch (Libp2pException)
        {
            stream.Reset();
            throw;
        }

        if (TakeEnd())
        {
            await stream.CloseWriteAsync(cancellationToken);
        }

        return await stream.ReadAsync(buffer, cancellationToken);
    }

    /// <summary>The answer is there, or nobody waits for it: whether an end was held back until now.</summary>
    private bool TakeEnd()
    {
        lock (_lock)
        {
            _answerPending = false;
            bool waits = _endWaits;
            _endWaits = false;
            return waits;
        }
    }
}
