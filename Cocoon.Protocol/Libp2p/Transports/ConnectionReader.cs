using System.Runtime.CompilerServices;

namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>The one read buffer of a connection, handed on from negotiation to handshake to records, so that no byte is lost between them.</summary>
/// <remarks>
/// Owns a pooled array while bytes are there, and none while the connection is idle. It starts small and becomes large when a read
/// fills it. One reader at a time.
/// </remarks>
internal sealed class ConnectionReader(IRawConnection connection) : IByteStream, IDisposable
{
    private byte[]? _array;
    private int _start;
    private int _end;
    private int _wanted = ConnectionBuffers.SmallSize;

    /// <summary>Bytes that are there; valid until the next call. Decryption works in place on them.</summary>
    public Memory<byte> Buffered => _array is null ? default : _array.AsMemory(_start, _end - _start);

    public long BytesRead { get; private set; }

    public void Consume(int count) => _start += count;

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_start == _end && !await FillAsync(1, cancellationToken))
        {
            return 0;
        }

        int count = Math.Min(buffer.Length, _end - _start);
        Buffered[..count].CopyTo(buffer);
        Consume(count);
        return count;
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => connection.WriteAsync(buffer, cancellationToken);

    /// <summary>Makes at least <paramref name="count"/> bytes available; <c>false</c> when the remote ended before.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> FillAsync(int count, CancellationToken cancellationToken)
    {
        while (_end - _start < count)
        {
            await WaitAsync(cancellationToken);
            if (!Received(await ReceiveAsync(count, cancellationToken)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Completes when <see cref="ReceiveAsync"/> would not wait; at once while bytes are here, which need their array anyway.</summary>
    public ValueTask WaitAsync(CancellationToken cancellationToken) => _start == _end ? WaitIdleAsync(cancellationToken) : ValueTask.CompletedTask;

    /// <summary>Reads once more; <see cref="Received"/> takes the number.</summary>
    /// <param name="count">For so many bytes in all there must be room.</param>
    public ValueTask<int> ReceiveAsync(int count, CancellationToken cancellationToken)
    {
        MakeRoom(count);
        return connection.ReadAsync(_array.AsMemory(_end), cancellationToken);
    }

    /// <returns><c>false</c> when that was the end.</returns>
    public bool Received(int read)
    {
        if (read == _array!.Length - _end)
        {
            _wanted = ConnectionBuffers.LargeSize;
        }

        BytesRead += read;
        _end += read;
        return read > 0;
    }

    public void Dispose() => Release();

    /// <summary>Nothing is buffered: give the array back for as long as nothing comes.</summary>
    private ValueTask WaitIdleAsync(CancellationToken cancellationToken)
    {
        ValueTask readable = connection.WaitReadableAsync(cancellationToken);
        if (!readable.IsCompletedSuccessfully)
        {
            Release();
            _wanted = ConnectionBuffers.SmallSize;
        }

        return readable;
    }

    private void MakeRoom(int count)
    {
        if (_array is null || (_array.Length < Math.Max(count, _wanted)))
        {
            byte[] larger = ConnectionBuffers.Sockets.Rent(Math.Max(count, _wanted));
            int kept = _end - _start;
            Buffered.CopyTo(larger);
            Release();
            (_array, _start, _end) = (larger, 0, kept);
        }
        else if (_start == _end)
        {
            (_start, _end) = (0, 0);
        }
        else if (_array.Length - _start < count)
        {
            Buffered.CopyTo(_array);
            (_start, _end) = (0, _end - _start);
        }
    }

    private void Release()
    {
        if (_array is { } array)
        {
            _array = null;
            ConnectionBuffers.Sockets.Return(array);
        }

        (_start, _end) = (0, 0);
    }
}
