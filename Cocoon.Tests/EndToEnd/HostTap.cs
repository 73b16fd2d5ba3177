using Cocoon.Node.Hosting;
using Cocoon.Node.Payments;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.EndToEnd;

/// <summary>
/// What a provider's owner can do at the door: answers clients under the provider's own peer key, so that the transport's encryption ends
/// here, and hands each stream on to the real node. Keeps a copy of every byte of them, and changes them when it is told to.
/// </summary>
internal sealed class HostTap : IAsyncDisposable
{
    private const int MaxRecorded = 256 << 20;

    private static readonly string[] s_protocols = [SessionLink.ProtocolId, PayProtocol.Id, OfferTopics.FetchProtocol];

    private readonly Libp2pHost _front;
    private readonly Libp2pHost _back;
    private readonly Lock _lock = new();
    private readonly MemoryStream _toNode = new();
    private readonly MemoryStream _fromNode = new();

    private HostTap(Libp2pHost front, Libp2pHost back)
    {
        _front = front;
        _back = back;
        foreach (string protocol in s_protocols)
        {
            front.Handle(protocol, ForwardAsync);
        }
    }

    /// <summary>What happens to one sealed frame of each answer (<see cref="FrameDisturber"/>); <c>null</c>: nothing.</summary>
    public string? Disturbance { get; set; }

    /// <summary>Where clients find the provider.</summary>
    public string Address => _front.FullAddress().ToString();

    /// <summary>What clients sent so far, without the transport's encryption.</summary>
    public byte[] ToNode => Copy(_toNode);

    /// <summary>What the node sent so far, without the transport's encryption.</summary>
    public byte[] FromNode => Copy(_fromNode);

    /// <param name="dataDirectory">The provider node's, which holds its key.</param>
    /// <param name="address">Where it listens.</param>
    public static async Task<HostTap> StartAsync(string dataDirectory, string address, CancellationToken cancellationToken)
    {
        byte[] seed = await File.ReadAllBytesAsync(Path.Combine(dataDirectory, NodeIdentity.FileName), cancellationToken);
        HostTap tap = new(await TestHosts.StartAsync(key: Ed25519PrivateKey.FromSeed(seed)), await TestHosts.StartAsync());
        tap._back.AddAddresses(tap._front.LocalPeer, [Multiaddr.Parse(address[..address.IndexOf("/p2p/", StringComparison.Ordinal)])], TimeSpan.FromHours(1));
        return tap;
    }

    public async ValueTask DisposeAsync()
    {
        await _front.DisposeAsync();
        await _back.DisposeAsync();
    }

    private async Task ForwardAsync(IPeerStream client, CancellationToken cancellationToken)
    {
        await using IPeerStream node = await _back.OpenStreamAsync(_front.LocalPeer, [client.Protocol], cancellationToken);
        FrameDisturber? disturber = client.Protocol == SessionLink.ProtocolId ? new(() => Disturbance) : null;
        Task there = PumpAsync(client, node, _toNode, null, cancellationToken), back = PumpAsync(node, client, _fromNode, disturber, cancellationToken);
        try
        {
            await await Task.WhenAny(there, back);
            await Task.WhenAll(there, back);
        }
        catch (IOException)
        {
            // One side reset its stream: so does the other hear of it.
            client.Reset();
            node.Reset();
            await Task.WhenAll(there, back).ContinueWith(static _ => { }, TaskScheduler.Default);
        }
    }

    private async Task PumpAsync(IPeerStream from, IPeerStream to, MemoryStream record, FrameDisturber? disturber, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[64 * 1024];
        while (disturber is not { IsOver: true } && await from.ReadAsync(buffer, cancellationToken) is var read and > 0)
        {
            lock (_lock)
            {
                if (record.Length < MaxRecorded)
                {
                    record.Write(buffer, 0, read);
                }
            }

            await to.WriteAsync(disturber?.Pass(buffer.AsSpan(0, read)) ?? buffer.AsMemory(0, read), cancellationToken);
        }

        await to.CloseWriteAsync(cancellationToken);
    }

    private byte[] Copy(MemoryStream recorded)
    {
        lock (_lock)
        {
            return recorded.ToArray();
        }
    }
}
