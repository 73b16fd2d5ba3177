using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Finds the addresses of names, a few at a time: the system's resolver holds a thread for each, and cannot be interrupted.</summary>
/// <remarks>Who gives up waiting is let go at once, and the place stays taken until the resolver is done: whose name it is decides how long that takes.</remarks>
internal sealed class NameResolver(int parallel, Func<Multiaddr, Task<IReadOnlyList<IPEndPoint>>> resolve)
{
    /// <summary>An entry for each resolution that runs. Nothing to dispose of: one may outlast its host.</summary>
    private readonly Channel<Multiaddr> _running = Channel.CreateBounded<Multiaddr>(parallel);

    /// <exception cref="Libp2pException">The name is unknown, or is none.</exception>
    public async Task<IReadOnlyList<IPEndPoint>> ResolveAsync(Multiaddr name, CancellationToken cancellationToken)
    {
        await _running.Writer.WriteAsync(name, cancellationToken);
        return await ResolveInPlaceAsync(name).WaitAsync(cancellationToken);
    }

    private async Task<IReadOnlyList<IPEndPoint>> ResolveInPlaceAsync(Multiaddr name)
    {
        try
        {
            return await resolve(name);
        }
        catch (Exception exception) when (exception is SocketException or ArgumentException)
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, $"{name} has no address: {exception.Message}", exception);
        }
        finally
        {
            _running.Reader.TryRead(out _);
        }
    }
}
