using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Adnl;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Tests.Protocol.Ton.LiteClient;

/// <summary>The server's side of ADNL/TCP on loopback; answers come from a function of the query's bytes.</summary>
internal sealed class MockLiteServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _serving = [];
    private readonly Task _accepting;

    public MockLiteServer(Func<byte[], byte[]?> answer)
    {
        Answer = answer;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Func<byte[], byte[]?> Answer { get; set; }

    /// <summary>Bytes to send instead of the ready packet, encrypted like it.</summary>
    public byte[]? Greeting { get; init; }

    public int Connections { get; private set; }

    public LiteServerEndpoint Endpoint => new("127.0.0.1", ((IPEndPoint)_listener.LocalEndpoint).Port, _key.PublicKey);

    /// <summary>Serves a made-up chain.</summary>
    public static MockLiteServer Of(ProofChain chain) => new(query => Serve(chain, query));

    public static byte[]? Serve(ProofChain chain, byte[] query)
    {
        TlReader reader = new(query);
        TlWriter answer = new();
        switch (reader.ReadUInt32())
        {
            case TlConstructors.GetMasterchainInfo:
                chain.Id.Write(answer.UInt32(TlConstructors.MasterchainInfo));
                return answer.Int256(default).Int32(-1).Int256(default).Int256(default).ToArray();
            case TlConstructors.LookupBlock:
                chain.Id.Write(answer.UInt32(TlConstructors.BlockHeader));
                return answer.UInt32(1).Bytes([]).ToArray();
            case TlConstructors.GetAccountState:
                BlockId.Read(ref reader);
                AccountProof proof = chain.ProofOf(new(reader.ReadInt32(), reader.ReadInt256()));
                proof.Block.Write(answer.UInt32(TlConstructors.AccountState));
                proof.ShardBlock.Write(answer);
                return answer.Bytes(proof.ShardProof).Bytes(proof.Proof).Bytes(proof.State).ToArray();
            case TlConstructors.GetConfigParams:
                (byte[] block, byte[] state) = chain.ConfigProof();
                chain.Id.Write(answer.UInt32(TlConstructors.ConfigInfo).UInt32(0));
                return answer.Bytes(block).Bytes(state).ToArray();
            case TlConstructors.SendMessage:
                return answer.UInt32(TlConstructors.SendMessageStatus).Int32(1).ToArray();
            default:
                return answer.UInt32(TlConstructors.LiteError).Int32(-400).Bytes("unknown function"u8).ToArray();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_serving);
        _key.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                Connections++;
                _serving.Add(ServeAsync(client));
            }
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using TcpClient owned = client;
        try
        {
            NetworkStream stream = client.GetStream();
            byte[] hello = new byte[AdnlHandshake.Size];
            await stream.ReadExactlyAsync(hello, _stop.Token);
            byte[]? parameters = Open(hello);
            if (parameters is null)
            {
                return;
            }

            using AesCtr send = new(parameters.AsSpan(0, 32), parameters.AsSpan(64, 16));
            using AesCtr receive = new(parameters.AsSpan(32, 32), parameters.AsSpan(80, 16));
            byte[] greeting = Greeting is null ? Packet([]) : (byte[])Greeting.Clone();
            send.Apply(greeting);
            await stream.WriteAsync(greeting, _stop.Token);
            byte[] head = new byte[4];
            while (true)
            {
                await stream.ReadExactlyAsync(head, _stop.Token);
                receive.Apply(head);
                byte[] packet = new byte[BinaryPrimitives.ReadInt32LittleEndian(head)];
                await stream.ReadExactlyAsync(packet, _stop.Token);
                receive.Apply(packet);
                if (Reply(packet.AsSpan(32, packet.Length - 64)) is { } reply)
                {
                    byte[] sealedReply = Packet(reply);
                    send.Apply(sealedReply);
                    await stream.WriteAsync(sealedReply, _stop.Token);
                }
            }
        }
        catch (Exception end) when (end is IOException or OperationCanceledException)
        {
        }
    }

    private byte[]? Reply(ReadOnlySpan<byte> payload)
    {
        TlReader reader = new(payload);
        if (reader.ReadUInt32() != TlConstructors.AdnlQuery)
        {
            return null;
        }

        CellHash id = reader.ReadInt256();
        TlReader inner = new(reader.ReadBytes());
        inner.Require(TlConstructors.LiteQuery);
        return Answer(inner.ReadBytes().ToArray()) is { } answer
            ? new TlWriter().UInt32(TlConstructors.AdnlAnswer).Int256(id).Bytes(answer).ToArray()
            : null;
    }

    private byte[]? Open(byte[] hello)
    {
        byte[] shared = new byte[32];
        if (new CellHash(hello.AsSpan(0, 32)) != AdnlHandshake.KeyId(_key.PublicKey.Bytes) || !AdnlHandshake.TryAgree(_key, hello.AsSpan(32, 32), shared))
        {
            return null;
        }

        byte[] parameters = hello[96..];
        using AesCtr cipher = new([.. shared[..16], .. hello[80..96]], [.. hello[64..68], .. shared[20..]]);
        cipher.Apply(parameters);
        return SHA256.HashData(parameters).AsSpan().SequenceEqual(hello.AsSpan(64, 32)) ? parameters : null;
    }

    private static byte[] Packet(byte[] payload)
    {
        byte[] nonce = RandomNumberGenerator.GetBytes(32);
        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, 64 + payload.Length);
        return [.. length, .. nonce, .. payload, .. SHA256.HashData([.. nonce, .. payload])];
    }
}
