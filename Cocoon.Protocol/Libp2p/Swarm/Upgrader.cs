using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Multistream;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Makes an authenticated, encrypted channel that both sides agreed to multiplex by yamux.</summary>
internal sealed class Upgrader(NoiseIdentity identity)
{
    /// <summary>Upgrades <paramref name="connection"/>, which is disposed when this fails.</summary>
    /// <param name="isInitiator">This side dialled.</param>
    /// <param name="expected">The dialled peer; <c>null</c> when any will do.</param>
    /// <exception cref="IOException">The remote is another peer, breaks a protocol, or is gone.</exception>
    public async Task<NoiseChannel> UpgradeAsync(
        IRawConnection connection, bool isInitiator, PeerId? expected, CancellationToken cancellationToken)
    {
        ConnectionReader reader = new(connection);
        NoiseChannel? channel = null;
        try
        {
            (channel, string? muxer) = isInitiator
                ? await NoiseHandshake.DialAsync(connection, reader, identity, expected, cancellationToken)
                : await NoiseHandshake.ListenAsync(connection, reader, identity, expected, cancellationToken);
            if (muxer is null)
            {
                await NegotiateMuxerAsync(channel, isInitiator, cancellationToken);
            }

            return channel;
        }
        catch (Exception)
        {
            if (channel is not null)
            {
                await channel.DisposeAsync();
            }
            else
            {
                await connection.DisposeAsync();
                reader.Dispose();
            }

            throw;
        }
    }

    /// <summary>For remotes without early muxer negotiation.</summary>
    private static async ValueTask NegotiateMuxerAsync(NoiseChannel channel, bool isInitiator, CancellationToken cancellationToken)
    {
        if (isInitiator)
        {
            await MultistreamSelect.DialAsync(channel, [YamuxSession.Protocol], cancellationToken);
        }
        else
        {
            await MultistreamSelect.ListenAsync(channel, static protocol => protocol == YamuxSession.Protocol, cancellationToken);
        }
    }
}
