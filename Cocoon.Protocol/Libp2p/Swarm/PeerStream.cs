using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Multistream;
using Cocoon.Protocol.Libp2p.Muxers;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>A yamux stream with its peer and protocol.</summary>
/// <remarks>
/// A stream whose protocol was proposed optimistically reads the remote's answer before the first bytes; a refusal surfaces there.
/// </remarks>
internal sealed class PeerStream(YamuxStream stream, PeerId remotePeer, string protocol, bool answerPending) : IPeerStream
{
    private bool _answerPending = answerPending;

    public PeerId RemotePeer => remotePeer;

    public string Protocol => protocol;

    /// <summary>The stream below; its last activity and reset are for the connection's sweep.</summary>
    public YamuxStream Inner => stream;

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        _answerPending ? ReadAnswerAsync(buffer, cancellationToken) : stream.ReadAsync(buffer, cancellationToken);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => stream.WriteAsync(buffer, cancellationToken);

    public ValueTask CloseWriteAsync(CancellationToken cancellationToken) => stream.CloseWriteAsync(cancellationToken);

    public void Reset() => stream.Reset();

    public ValueTask DisposeAsync() => stream.DisposeAsync();

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

        _answerPending = false;
        return await stream.ReadAsync(buffer, cancellationToken);
    }
}
