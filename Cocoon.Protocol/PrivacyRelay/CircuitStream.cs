using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Security;

namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>One end of a circuit: an authenticated, encrypted stream whose bytes the hops between cannot read.</summary>
/// <remarks>
/// The end of the bytes is not authenticated: a relay can cut. Protocols served over circuits say themselves when they are complete.
/// </remarks>
internal sealed class CircuitStream(NoiseChannel channel, StreamConnection connection, string protocol) : IPeerStream
{
    private bool _writeClosed;

    /// <summary>For the client the hop it asked for; for the hop an id made for this circuit alone, which names nobody.</summary>
    public PeerId RemotePeer => channel.RemotePeer;

    public string Protocol => protocol;

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => channel.ReadAsync(buffer, cancellationToken);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => channel.WriteAsync(buffer, cancellationToken);

    public ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        _writeClosed = true;
        return connection.CloseWriteAsync(cancellationToken);
    }

    public void Reset() => connection.Abort();

    public ValueTask DisposeAsync()
    {
        if (_writeClosed)
        {
            connection.LetLinger();
        }

        return channel.DisposeAsync();
    }
}
