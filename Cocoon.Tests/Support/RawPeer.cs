using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Multistream;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Tests.Support;

/// <summary>A peer that went through the handshake and then writes whatever frames the test wants.</summary>
internal sealed class RawPeer : IAsyncDisposable
{
    private readonly NoiseChannel _channel;

    private RawPeer(NoiseChannel channel) => _channel = channel;

    public static async Task<Socket> ConnectSocketAsync(Libp2pHost host, CancellationToken cancellationToken)
    {
        host.Addresses[0].TryGetTcpEndPoint(out IPEndPoint? endPoint);
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(endPoint!, cancellationToken);
        return socket;
    }

    public static async Task<RawPeer> ConnectAsync(Libp2pHost host, CancellationToken cancellationToken, Ed25519PrivateKey? key = null)
    {
        using Ed25519PrivateKey ephemeral = Ed25519PrivateKey.Generate();
        return await DialAsync(await ConnectSocketAsync(host, cancellationToken), key ?? ephemeral, host, cancellationToken);
    }

    /// <summary>Begins on a connected socket, as the peer of this key.</summary>
    public static async Task<RawPeer> DialAsync(Socket socket, Ed25519PrivateKey key, Libp2pHost host, CancellationToken cancellationToken)
    {
        NoiseIdentity identity = new(key, [YamuxSession.Protocol]);
        return new RawPeer(await new Upgrader(identity).UpgradeAsync(new SocketConnection(socket), isInitiator: true, host.LocalPeer, cancellationToken));
    }

    /// <summary>Waits on a connected socket for the host to begin, as the peer of this key.</summary>
    public static async Task<RawPeer> RespondAsync(Socket socket, Ed25519PrivateKey key, Libp2pHost host, CancellationToken cancellationToken)
    {
        NoiseIdentity identity = new(key, [YamuxSession.Protocol]);
        return new RawPeer(await new Upgrader(identity).UpgradeAsync(new SocketConnection(socket), isInitiator: false, host.LocalPeer, cancellationToken));
    }

    public ValueTask SendAsync(ReadOnlyMemory<byte> plaintext, CancellationToken cancellationToken) => _channel.WriteAsync(plaintext, cancellationToken);

    public ValueTask SendAsync(YamuxFrameType type, YamuxFlags flags, uint id, uint length, CancellationToken cancellationToken) =>
        SendAsync(Frame(type, flags, id, length), cancellationToken);

    /// <summary>Opens a stream and proposes a protocol.</summary>
    public async Task OpenAsync(uint id, string protocol, CancellationToken cancellationToken)
    {
        byte[] proposal = MultistreamSelect.EncodeProposal(protocol);
        await SendAsync((byte[])[.. Frame(YamuxFrameType.Data, YamuxFlags.Syn, id, (uint)proposal.Length), .. proposal], cancellationToken);
    }

    public static byte[] Frame(YamuxFrameType type, YamuxFlags flags, uint id, uint length)
    {
        byte[] frame = new byte[YamuxHeader.Size];
        new YamuxHeader(type, flags, id, length).Write(frame);
        return frame;
    }

    /// <summary>The first frame that matches, its own pings answered on the way; <c>null</c> when the host ends the connection first.</summary>
    public async Task<YamuxHeader?> NextAsync(Func<YamuxHeader, bool> match, CancellationToken cancellationToken)
    {
        byte[] header = new byte[YamuxHeader.Size];
        while (await TryFillAsync(header, cancellationToken))
        {
            YamuxHeader frame = YamuxHeader.Read(header);
            if (frame.Type == YamuxFrameType.Data && !await TryFillAsync(new byte[frame.Length], cancellationToken))
            {
                return null;
            }

            if (match(frame))
            {
                return frame;
            }
        }

        return null;
    }

    /// <summary>Reads to the end; whether the host said goodbye with this code.</summary>
    public async Task<bool> EndsWithAsync(YamuxGoAway code, CancellationToken cancellationToken) =>
        await NextAsync(frame => frame.Type == YamuxFrameType.GoAway && frame.Length == (uint)code, cancellationToken) is not null;

    public ValueTask DisposeAsync() => _channel.DisposeAsync();

    private async Task<bool> TryFillAsync(byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            for (int at = 0; at < buffer.Length;)
            {
                int read = await _channel.ReadAsync(buffer.AsMemory(at), cancellationToken);
                if (read == 0)
                {
                    return false;
                }

                at += read;
            }

            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
