using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Protocol.Ton.Adnl;

/// <summary>The client's end of an ADNL/TCP connection: queries with answers, many at a time.</summary>
/// <remarks>
/// <code>packet: length u32 LE (64 + n) · nonce 32 · payload n · SHA-256(nonce · payload), all encrypted</code>
/// The stream is this object's. Any violation or loss ends the connection and fails what waits; it does not come back.
/// </remarks>
internal sealed class AdnlConnection : IAsyncDisposable
{
    /// <summary>As in the node: a full block or state part fits.</summary>
    public const int MaxPacket = 16 * 1024 * 1024;

    private const int MaxPending = 64;
    private static readonly TimeSpan s_pingInterval = TimeSpan.FromSeconds(5);

    private readonly Stream _stream;
    private readonly AesCtr _receive;
    private readonly AesCtr _send;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _closing = new();
    private readonly SemaphoreSlim _sendLock = new(1);
    private readonly SemaphoreSlim _slots = new(MaxPending);
    private readonly ConcurrentDictionary<CellHash, TaskCompletionSource<byte[]>> _pending = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _reading = Task.CompletedTask;
    private Task _pinging = Task.CompletedTask;
    private int _disposed;

    private AdnlConnection(Stream stream, ReadOnlySpan<byte> parameters, TimeProvider time)
    {
        _stream = stream;
        _time = time;
        _receive = new AesCtr(parameters[..32], parameters[64..80]);
        _send = new AesCtr(parameters[32..64], parameters[80..96]);
    }

    /// <summary>False once the connection has failed: make another.</summary>
    public bool IsAlive => !_closing.IsCancellationRequested && !_reading.IsCompleted;

    /// <summary>Handshake on an open stream; returns when the server has proven its key by answering.</summary>
    /// <exception cref="TonException">The server does not hold the key, or broke off.</exception>
    public static async Task<AdnlConnection> StartAsync(
        Stream stream, Ed25519PublicKey serverKey, TimeProvider time, CancellationToken cancellationToken)
    {
        byte[] parameters = RandomNumberGenerator.GetBytes(AdnlHandshake.ParametersSize);
        AdnlConnection connection = new(stream, parameters, time);
        try
        {
            using Ed25519PrivateKey client = Ed25519PrivateKey.Generate();
            await stream.WriteAsync(AdnlHandshake.Create(client, serverKey.Bytes, parameters), cancellationToken);
            await stream.FlushAsync(cancellationToken);
            connection._reading = connection.ReadLoopAsync();
            connection._pinging = connection.PingLoopAsync();
            await connection._ready.Task.WaitAsync(cancellationToken);
            return connection;
        }
        catch (IOException fault)
        {
            await connection.DisposeAsync();
            throw new TonException(TonErrorCode.Unreachable, "the lite-server broke off the handshake", fault);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(parameters);
        }
    }

    /// <summary>Sends a query (the bytes of a TL function) and waits for the bytes of its answer.</summary>
    public async Task<byte[]> QueryAsync(ReadOnlyMemory<byte> query, CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken);
        CellHash id = new(RandomNumberGenerator.GetBytes(CellHash.Size));
        TaskCompletionSource<byte[]> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _pending[id] = answer;
        try
        {
            if (!IsAlive)
            {
                throw Lost(null);
            }

            await SendAsync(new TlWriter().UInt32(TlConstructors.AdnlQuery).Int256(id).Bytes(query.Span).ToArray(), cancellationToken);
            return await answer.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            _pending.TryRemove(id, out _);
            _slots.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _closing.CancelAsync();
        await _stream.DisposeAsync();
        await Task.WhenAll(_reading, _pinging);
        _receive.Dispose();
        _send.Dispose();
        _closing.Dispose();
    }

    private static TonException Lost(Exception? fault) => new(TonErrorCode.Unreachable, "the connection to the lite-server is lost", fault);

    private async Task SendAsync(byte[] payload, CancellationToken cancellationToken)
    {
        byte[] packet = new byte[4 + 64 + payload.Length];
        BinaryPrimitives.WriteInt32LittleEndian(packet, 64 + payload.Length);
        RandomNumberGenerator.Fill(packet.AsSpan(4, 32));
        payload.CopyTo(packet, 36);
        SHA256.HashData(packet.AsSpan(4, 32 + payload.Length), packet.AsSpan(36 + payload.Length));
        await _sendLock.WaitAsync(cancellationToken);
        try
        {
            // The key stream has moved on: a packet that was begun must be finished, so only closing cancels it.
            _send.Apply(packet);
            await _stream.WriteAsync(packet, _closing.Token);
            await _stream.FlushAsync(_closing.Token);
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException or ObjectDisposedException)
        {
            throw Lost(fault);
        }
        finally
        {
            _sendLock.Release();
        }
    }

    private async Task ReadLoopAsync()
    {
        Exception? end = null;
        try
        {
            byte[] head = new byte[4];
            while (true)
            {
                await _stream.ReadExactlyAsync(head, _closing.Token);
                _receive.Apply(head);
                int length = BinaryPrimitives.ReadInt32LittleEndian(head);
                if (length is < 64 or > MaxPacket)
                {
                    throw TonException.Malformed($"ADNL packet of {length} bytes");
                }

                Dispatch(await ReadPacketAsync(length));
            }
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException or ObjectDisposedException or TonException)
        {
            end = fault;
        }

        TonException lost = Lost(end);
        _ready.TrySetException(lost);
        _ = _ready.Task.Exception;
        foreach (TaskCompletionSource<byte[]> waiting in _pending.Values)
        {
            waiting.TrySetException(lost);
        }
    }

    /// <summary>Grows with what has arrived, so that a length alone costs no memory.</summary>
    private async Task<ReadOnlyMemory<byte>> ReadPacketAsync(int length)
    {
        byte[] packet = new byte[Math.Min(length, 64 * 1024)];
        for (int read = 0; read < length;)
        {
            if (read == packet.Length)
            {
                Array.Resize(ref packet, Math.Min(length, packet.Length * 4));
            }

            await _stream.ReadExactlyAsync(packet.AsMemory(read), _closing.Token);
            _receive.Apply(packet.AsSpan(read));
            read = packet.Length;
        }

        Span<byte> digest = stackalloc byte[CellHash.Size];
        SHA256.HashData(packet.AsSpan(0, length - 32), digest);
        return digest.SequenceEqual(packet.AsSpan(length - 32))
            ? packet.AsMemory(32, length - 64)
            : throw TonException.Malformed("ADNL packet with a wrong checksum");
    }

    private void Dispatch(ReadOnlyMemory<byte> payload)
    {
        if (payload.IsEmpty)
        {
            _ready.TrySetResult();
            return;
        }

        TlReader reader = new(payload.Span);
        if (reader.ReadUInt32() == TlConstructors.AdnlAnswer && _pending.TryRemove(reader.ReadInt256(), out TaskCompletionSource<byte[]>? waiting))
        {
            waiting.TrySetResult(reader.ReadBytes().ToArray());
        }
    }

    private async Task PingLoopAsync()
    {
        try
        {
            using PeriodicTimer timer = new(s_pingInterval, _time);
            while (await timer.WaitForNextTickAsync(_closing.Token))
            {
                await SendAsync(new TlWriter().UInt32(TlConstructors.TcpPing).UInt64((ulong)Random.Shared.NextInt64()).ToArray(), _closing.Token);
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or TonException)
        {
            // The reading loop reports the loss.
        }
    }
}
