using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Tests.Support;

/// <summary>Real hosts on 127.0.0.1 with free ports.</summary>
internal static class TestHosts
{
    public const string EchoProtocol = "/echo/1.0.0";

    /// <param name="allowPrivate">The LAN setting; without it the limits of an address hold on loopback too.</param>
    public static async Task<Libp2pHost> StartAsync(
        Libp2pLimits? limits = null, string? peerStorePath = null, Ed25519PrivateKey? key = null, bool servePerf = false, string listen = "/ip4/127.0.0.1/tcp/0",
        TimeProvider? time = null, bool allowPrivate = true)
    {
        Libp2pHost host = new(new Libp2pHostOptions
        {
            Identity = key ?? Ed25519PrivateKey.Generate(),
            ListenAddresses = [Multiaddr.Parse(listen)],
            AllowPrivateAddresses = allowPrivate,
            TimeProvider = time ?? TimeProvider.System,
            PeerStorePath = peerStorePath,
            ServePerf = servePerf,
            Limits = limits ?? new Libp2pLimits(),
        });
        host.Handle(EchoProtocol, EchoAsync);
        await host.StartAsync(CancellationToken.None);
        return host;
    }

    public static Multiaddr FullAddress(this Libp2pHost host) => host.Addresses[0].WithPeer(host.LocalPeer);

    public static async Task EchoAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[16 * 1024];
        while (await stream.ReadAsync(buffer, cancellationToken) is var read and > 0)
        {
            await stream.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }
    }

    /// <summary>Sends everything while it reads everything back.</summary>
    public static async Task<byte[]> ExchangeAsync(IPeerStream stream, byte[] data, CancellationToken cancellationToken)
    {
        Task send = Task.Run(
            async () =>
            {
                await stream.WriteAsync(data, cancellationToken);
                await stream.CloseWriteAsync(cancellationToken);
            },
            cancellationToken);
        using MemoryStream received = new();
        byte[] buffer = new byte[64 * 1024];
        while (await stream.ReadAsync(buffer, cancellationToken) is var read and > 0)
        {
            received.Write(buffer, 0, read);
        }

        await send;
        return received.ToArray();
    }

    /// <summary>Completes when an event of this kind about the host's peers arrives; subscribe before causing it.</summary>
    public static Task<T> NextAsync<T>(this ILibp2pHost host, CancellationToken cancellationToken)
        where T : PeerEvent
    {
        TaskCompletionSource<T> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        host.PeerChanged += peerEvent =>
        {
            if (peerEvent is T match)
            {
                seen.TrySetResult(match);
            }
        };
        return seen.Task.WaitAsync(cancellationToken);
    }
}
