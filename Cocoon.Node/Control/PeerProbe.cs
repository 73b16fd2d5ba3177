using Cocoon.Node.Cli;
using Cocoon.Node.Peers;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Node.Control;

/// <summary>Measures peers on request, dialling and looking them up in the DHT when there is no connection.</summary>
internal sealed class PeerProbe(PeerNetwork network, PeerNames names, TimeProvider time)
{
    public static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    /// <param name="address">Dialled when there is no connection; <c>null</c>: what is known, else what the DHT knows.</param>
    /// <exception cref="CliException">No answer in time.</exception>
    public async Task<PingDocument> PingAsync(PeerId peer, Multiaddr? address, TimeSpan wait, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(wait < MaxWait ? wait : MaxWait, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            await ConnectAsync(peer, address, linked.Token);
            TimeSpan roundTrip = await network.Host.PingAsync(peer, linked.Token);
            PeerConnectionInfo? connection = Best(peer);
            return new PingDocument(
                ControlJson.Schema,
                peer.ToString(),
                names.Find(peer),
                PeerReporter.Path(connection?.IsRelayed ?? false),
                connection is null ? null : PeerReporter.Via(connection.RemoteAddress),
                connection?.RemoteAddress.ToString() ?? "",
                roundTrip.TotalMilliseconds);
        }
        catch (IOException exception)
        {
            throw new CliException(ExitCode.Network, $"{Describe(peer)} does not answer", exception.Message.TrimEnd('.'), "See 'cocoon peer show' for the addresses that are known, and 'cocoon net doctor'.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CliException(ExitCode.TimedOut, $"{Describe(peer)} does not answer", $"nothing came within {wait.TotalSeconds:0.#} s", "A longer --timeout may help.");
        }
    }

    private PeerConnectionInfo? Best(PeerId peer) => network.Host.Connections.Where(c => c.Peer == peer).OrderBy(c => c.IsRelayed).FirstOrDefault();

    private async Task ConnectAsync(PeerId peer, Multiaddr? address, CancellationToken cancellationToken)
    {
        if (address is not null)
        {
            await network.Host.ConnectAsync(address.WithPeer(peer), cancellationToken);
        }
        else if (Best(peer) is null && network.Host.GetAddresses(peer).Count == 0
            && await network.Dht.FindPeerAsync(peer, cancellationToken) is KadPeer found)
        {
            network.Host.AddAddresses(peer, found.Addresses, TimeSpan.FromMinutes(10));
        }

        network.Host.ForgiveAddresses(peer);
    }

    private string Describe(PeerId peer) => names.Find(peer) ?? peer.ToString();
}
