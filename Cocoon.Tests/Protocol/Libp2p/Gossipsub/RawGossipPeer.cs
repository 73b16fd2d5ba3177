using System.Buffers;
using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.Protocol.Libp2p.Gossipsub;

/// <summary>A peer that says exactly what the test tells it to, and keeps what it hears.</summary>
internal sealed class RawGossipPeer
{
    private readonly GossipNetwork _network;
    private IPeerStream? _stream;

    public RawGossipPeer(GossipNetwork network, string protocol = GossipsubProtocol.V12)
    {
        _network = network;
        Host = network.Network.AddHost();
        Host.Handle(protocol, async (stream, cancellationToken) =>
        {
            while (await LengthPrefixed.ReadAsync(stream, 1 << 20, cancellationToken) is { } frame)
            {
                Heard.Enqueue(GossipRpcReader.Read(frame));
            }
        });
    }

    public MemoryHost Host { get; }

    public PeerId Peer => Host.LocalPeer;

    public ConcurrentQueue<GossipRpc> Heard { get; } = new();

    public IEnumerable<GossipMessage> Messages => Heard.SelectMany(rpc => rpc.Publish);

    public async Task ConnectAsync(GossipNode node, bool subscribe = true)
    {
        await _network.ConnectAsync(Host, node.Host);
        await OpenAsync(node);
        if (subscribe)
        {
            await SendAsync(rpc => GossipRpcWriter.WriteSubscription(rpc, GossipNetwork.Topic, true));
        }

        await VirtualTime.SettleAsync();
    }

    public async Task OpenAsync(GossipNode node) =>
        _stream = await Host.OpenStreamAsync(node.Host.LocalPeer, GossipsubProtocol.All, CancellationToken.None);

    public async Task SendAsync(Action<ArrayBufferWriter<byte>> write)
    {
        ArrayBufferWriter<byte> rpc = new();
        write(rpc);
        await LengthPrefixed.WriteAsync(_stream!, rpc.WrittenMemory, CancellationToken.None);
    }

    public Task SendControlAsync(Action<ArrayBufferWriter<byte>> write) => SendAsync(rpc =>
    {
        ArrayBufferWriter<byte> control = new();
        write(control);
        GossipRpcWriter.WriteControl(rpc, control.WrittenSpan);
    });

    public Task SendMessageAsync(GossipMessage message) => SendAsync(rpc => GossipRpcWriter.WriteMessage(rpc, message.Raw.Span));

    public async Task SendBytesAsync(byte[] bytes) => await _stream!.WriteAsync(bytes, CancellationToken.None);

    public GossipMessage Message(string text, ulong sequence, string topic = GossipNetwork.Topic) =>
        MessageSigning.Create(Host.Key, topic, System.Text.Encoding.UTF8.GetBytes(text), sequence);
}
