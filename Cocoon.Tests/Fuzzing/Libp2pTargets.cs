using System.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Multistream;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Libp2p.Protocols.Identify;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Libp2p.Protocols.Perf;
using Cocoon.Protocol.Libp2p.Protocols.Ping;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using IdentifyMessage = Cocoon.Protocol.Libp2p.Protocols.Identify.Proto.Identify;

namespace Cocoon.Tests.Fuzzing;

internal static class Libp2pTargets
{
    private static readonly Ed25519PrivateKey Key = Ed25519PrivateKey.FromSeed(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());
    private static readonly PeerId Peer = PeerId.FromPublicKey(Key.PublicKey);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        FuzzTarget.Of<Libp2pException>("libp2p/multistream-listen", 80, bytes => Await(MultistreamSelect.ListenAsync(new ScriptedStream(bytes), _ => false, CancellationToken.None)),
            MultistreamSelect.EncodeProposal("/noise"), [.. MultistreamSelect.EncodeProposal("ls"), .. MultistreamSelect.Encode("/yamux/1.0.0")]),
        FuzzTarget.Of<Libp2pException>("libp2p/multistream-dial", 80, bytes => Await(MultistreamSelect.DialAsync(new ScriptedStream(bytes), ["/a", "/b", "/noise"], CancellationToken.None)),
            MultistreamSelect.EncodeProposal("/a"), [.. MultistreamSelect.EncodeProposal("na"), .. MultistreamSelect.Encode("/b")]),
        FuzzTarget.Of<Libp2pException>("libp2p/length-prefixed", 80, bytes => Await(LengthPrefixed.ReadAsync(new ScriptedStream(bytes, chunk: 3), 64, CancellationToken.None)),
            [3, 1, 2, 3], [0x80, 1]),
        new("libp2p/noise-handshake", 300, Noise),
        FuzzTarget.Of("libp2p/noise-payload", 300, bytes => NoiseIdentity.TryReadPayload(bytes, new byte[32], out _, out _), new NoiseIdentity(Key, [YamuxSession.Protocol]).Payload.ToArray()),
        FuzzTarget.Of<Libp2pException>("libp2p/yamux", 200, bytes => CreateSession().Process(bytes),
            Convert.FromHexString("00010001000000010000000000000000000000010000000301020300000004000000010000000105"),
            Convert.FromHexString("000200010000000000000007000300000000000000000000"),
            Convert.FromHexString("000000010000000100040000000000000000000100000001")),
        FuzzTarget.Of<Libp2pException>("libp2p/identify", 200, bytes =>
            {
                IdentifyMessage message = IdentifyProtocol.ReadAsync(Stream(bytes), CancellationToken.None).AsTask().GetAwaiter().GetResult();
                IdentifyProtocol.Apply(message, null, Peer, 10);
                _ = IdentifyProtocol.ReadAddresses(message.ListenAddrs).Count();
            },
            [.. (byte[])[0x38], .. Convert.FromHexString("1208047f000001060fa11a0e2f697066732f69642f312e302e302208047f000001060fa12a0a697066732f302e312e303206636f636f6f6e")]),
        FuzzTarget.Of<Libp2pException>("libp2p/ping", 80, bytes => PingProtocol.RespondAsync(Stream(bytes), CancellationToken.None).GetAwaiter().GetResult(), new byte[32], new byte[64]),
        FuzzTarget.Of<Libp2pException>("libp2p/perf", 80, bytes =>
            {
                // The count wanted back is answered in full by design; what is fuzzed is how it is read.
                if (bytes.Length >= 8)
                {
                    bytes.AsSpan(0, 6).Clear();
                }

                PerfProtocol.RespondAsync(Stream(bytes), CancellationToken.None).GetAwaiter().GetResult();
            },
            [0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3]),
        FuzzTarget.Of<KadException>("libp2p/kad", 300, bytes => KadMessageWriter.Write(KadMessageReader.Read(bytes)), KadMessageWriter.Write(KadSample())),
        FuzzTarget.Of<GossipsubException>("libp2p/gossipsub", 300, bytes =>
            {
                foreach (GossipMessage message in GossipRpcReader.Read(bytes).Publish)
                {
                    MessageSigning.Verify(message);
                    _ = MessageSigning.HasStrictSignFields(message) ? message.Id.ToString() : "";
                }
            },
            RpcSample(), MessageSample().Raw.ToArray()),
    ];

    private static FuzzSubject Noise()
    {
        X25519PrivateKey initiatorKey = X25519PrivateKey.Generate(), responderKey = X25519PrivateKey.Generate();
        using NoiseHandshakeState initiator = new(isInitiator: true, initiatorKey), responder = new(isInitiator: false, responderKey, X25519PrivateKey.FromBytes(new byte[32]));
        byte[] first = Write(initiator, []), second = Answer(responder, first, new byte[100]), third = Answer(initiator, second, new byte[100]);
        return new FuzzSubject(
            bytes =>
            {
                using NoiseHandshakeState state = new(isInitiator: false, responderKey, X25519PrivateKey.FromBytes(new byte[32]));
                byte[] text = new byte[Math.Max(bytes.Length, 64)];
                if (bytes.Length < 64)
                {
                    state.TryReadMessage(bytes, text, out _);
                    return;
                }

                // The third message is judged under keys, so the first two are the real ones.
                state.TryReadMessage(first, text, out _);
                state.WriteMessage(new byte[100], new byte[100 + NoiseHandshakeState.MaxOverhead]);
                state.TryReadMessage(bytes, text, out _);
            },
            first, third)
        {
            Owned = responderKey,
        };
    }

    private static byte[] Write(NoiseHandshakeState state, byte[] payload)
    {
        byte[] message = new byte[payload.Length + NoiseHandshakeState.MaxOverhead];
        return message[..state.WriteMessage(payload, message)];
    }

    private static byte[] Answer(NoiseHandshakeState state, byte[] message, byte[] payload)
    {
        state.TryReadMessage(message, new byte[message.Length], out _);
        return Write(state, payload);
    }

    /// <summary>A session whose loops do not run: frames go in by hand, answers stay in its buffer.</summary>
    private static YamuxSession CreateSession()
    {
        Libp2pLimits limits = new();
        NoiseChannel nowhere = null!;
        return new YamuxSession(nowhere, isClient: false, limits, new MemoryBudget(limits.NodeMemory), new MemoryBudget(limits.NodeMemory), new ManualTimeProvider(), _ => { });
    }

    private static KadMessage KadSample() => new(KadMessageType.GetProviders)
    {
        Key = new byte[] { 1, 2 },
        Record = new KadRecord(new byte[] { 1 }, new byte[] { 2 }, "x"),
        CloserPeers = [new KadPeer(Peer, [Multiaddr.Parse("/ip4/192.0.2.1/tcp/4001"), Multiaddr.Parse("/dns4/example.com/tcp/443")])],
        ProviderPeers = [new KadPeer(Peer, [Multiaddr.Parse("/ip6/2606:4700::1/tcp/4001")])],
    };

    private static GossipMessage MessageSample() => MessageSigning.Create(Key, "cocoon/test/1", "hello"u8, 1);

    private static byte[] RpcSample()
    {
        ArrayBufferWriter<byte> rpc = new(), control = new();
        GossipRpcWriter.WriteSubscription(rpc, "a", true);
        GossipRpcWriter.WriteMessage(rpc, MessageSample().Raw.Span);
        GossipRpcWriter.WriteIHave(control, "t", [new MessageId([1, 2, 3])]);
        GossipRpcWriter.WriteIWant(control, [new MessageId([1, 2, 3])]);
        GossipRpcWriter.WriteGraft(control, "g");
        GossipRpcWriter.WritePrune(control, "p", TimeSpan.FromSeconds(60));
        GossipRpcWriter.WriteIDontWant(control, [new MessageId([1, 2, 3])]);
        GossipRpcWriter.WriteControl(rpc, control.WrittenSpan);
        return rpc.WrittenSpan.ToArray();
    }

    private static void Await<T>(ValueTask<T> task) => task.AsTask().GetAwaiter().GetResult();

    private static ScriptedPeerStream Stream(byte[] bytes) => new(new ScriptedStream(bytes), Peer);
}
