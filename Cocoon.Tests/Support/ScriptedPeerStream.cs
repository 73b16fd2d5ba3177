using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;

namespace Cocoon.Tests.Support;

/// <summary>A scripted remote behind the whole stream contract, for protocol handlers.</summary>
internal sealed class ScriptedPeerStream(ScriptedStream stream, PeerId remotePeer, string protocol = "/test/1.0.0") : IPeerStream
{
    public PeerId RemotePeer => remotePeer;

    public string Protocol => protocol;

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => stream.ReadAsync(buffer, cancellationToken);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => stream.WriteAsync(buffer, cancellationToken);

    public ValueTask CloseWriteAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public void Reset()
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
