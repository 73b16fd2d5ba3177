using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Protocol.Libp2p.Security;

/// <summary>Encrypted records over a connection after the Noise handshake.</summary>
/// <remarks>
/// Owns connection, reader and ciphers. One reader and one sender at a time. Records are decrypted where they were received and sealed
/// where they were laid out.
/// </remarks>
internal sealed class NoiseChannel(
    IRawConnection connection, ConnectionReader reader, NoiseCipher send, NoiseCipher receive, PeerId remotePeer) : IByteStream, IAsyncDisposable
{
    private const int LengthSize = 2;

    private readonly RecordBuffer _ownRecords = new();
    private ReadOnlyMemory<byte> _unread;
    private long _bytesSent;

    public PeerId RemotePeer => remotePeer;

    public IRawConnection Connection => connection;

    public long BytesReceived => reader.BytesRead;

    public long BytesSent => Interlocked.Read(ref _bytesSent);

    /// <summary>The next decrypted bytes, valid until the next call; empty when the remote ended the connection.</summary>
    /// <exception cref="Libp2pException">A record does not authenticate or is cut short.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ReadOnlyMemory<byte>> ReadRecordAsync(CancellationToken cancellationToken)
    {
        if (!_unread.IsEmpty)
        {
            ReadOnlyMemory<byte> rest = _unread;
            _unread = default;
            return rest;
        }

        while (true)
        {
            if (!await reader.FillAsync(LengthSize, cancellationToken))
            {
                return reader.Buffered.IsEmpty ? default(ReadOnlyMemory<byte>) : throw Cut();
            }

            int length = BinaryPrimitives.ReadUInt16BigEndian(reader.Buffered.Span);
            if (length < NoiseCipher.TagSize)
            {
                throw new Libp2pException(Libp2pErrorCode.SecurityFailed, "A record is shorter than its tag.");
            }

            if (!await reader.FillAsync(LengthSize + length, cancellationToken))
            {
                throw Cut();
            }

            Memory<byte> record = reader.Buffered.Slice(LengthSize, length);
            Memory<byte> text = record[..^NoiseCipher.TagSize];
            if (!receive.TryDecrypt(text.Span, record.Span[^NoiseCipher.TagSize..]))
            {
                throw new Libp2pException(Libp2pErrorCode.SecurityFailed, "A record does not authenticate.");
            }

            reader.Consume(LengthSize + length);
            if (!text.IsEmpty)
            {
                return text;
            }
        }
    }

    /// <summary>Seals and sends what <paramref name="records"/> holds, and clears it.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask SendAsync(RecordBuffer records, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> wire = records.Seal(send);
        await connection.WriteAsync(wire, cancellationToken);
        Interlocked.Add(ref _bytesSent, wire.Length);
        records.Clear();
    }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_unread.IsEmpty)
        {
            _unread = await ReadRecordAsync(cancellationToken);
        }

        int count = Math.Min(buffer.Length, _unread.Length);
        _unread[..count].CopyTo(buffer);
        _unread = _unread[count..];
        return count;
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            int count = Math.Min(buffer.Length, _ownRecords.Free);
            _ownRecords.Write(buffer.Span[..count]);
            await SendAsync(_ownRecords, cancellationToken);
            buffer = buffer[count..];
        }

        _ownRecords.Release();
    }

    /// <summary>Ends the connection at once; pending calls fail.</summary>
    public void Abort() => connection.Abort();

    /// <remarks>The loops that read and send must have ended.</remarks>
    public async ValueTask DisposeAsync()
    {
        connection.Abort();
        await connection.DisposeAsync();
        reader.Dispose();
        _ownRecords.Release();
        send.Dispose();
        receive.Dispose();
    }

    private static Libp2pException Cut() => new(Libp2pErrorCode.UnexpectedEnd, "The connection ended inside a record.");
}
