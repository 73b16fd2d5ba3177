using System.Buffers.Binary;
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
    private int _wanted = LengthSize;
    private long _bytesSent;

    public PeerId RemotePeer => remotePeer;

    public IRawConnection Connection => connection;

    public long BytesReceived => reader.BytesRead;

    public long BytesSent => Interlocked.Read(ref _bytesSent);

    /// <summary>The next decrypted bytes if they are here, valid until the next call of any of these; else <see cref="WaitAsync"/> and <see cref="ReceiveAsync"/> bring more.</summary>
    /// <exception cref="Libp2pException">A record does not authenticate.</exception>
    public bool TryReadRecord(out ReadOnlyMemory<byte> text)
    {
        (text, _unread) = (_unread, default);
        while (text.IsEmpty)
        {
            ReadOnlyMemory<byte> here = reader.Buffered;
            _wanted = LengthSize;
            if (here.Length < _wanted)
            {
                return false;
            }

            int length = BinaryPrimitives.ReadUInt16BigEndian(here.Span);
            if (length < NoiseCipher.TagSize)
            {
                throw new Libp2pException(Libp2pErrorCode.SecurityFailed, "A record is shorter than its tag.");
            }

            _wanted += length;
            if (here.Length < _wanted)
            {
                return false;
            }

            Memory<byte> record = reader.Buffered.Slice(LengthSize, length), sealedText = record[..^NoiseCipher.TagSize];
            if (!receive.TryDecrypt(sealedText.Span, record.Span[^NoiseCipher.TagSize..]))
            {
                throw new Libp2pException(Libp2pErrorCode.SecurityFailed, "A record does not authenticate.");
            }

            reader.Consume(_wanted);
            text = sealedText;
        }

        return true;
    }

    /// <summary>Completes when <see cref="ReceiveAsync"/> would not wait.</summary>
    public ValueTask WaitAsync(CancellationToken cancellationToken) => reader.WaitAsync(cancellationToken);

    /// <summary>Reads once more, after <see cref="TryReadRecord"/> found no record; <see cref="Received"/> takes the number.</summary>
    public ValueTask<int> ReceiveAsync(CancellationToken cancellationToken) => reader.ReceiveAsync(_wanted, cancellationToken);

    /// <returns><c>false</c> when the remote has ended the connection.</returns>
    /// <exception cref="Libp2pException">It did so inside a record.</exception>
    public bool Received(int read) => reader.Received(read) || (reader.Buffered.IsEmpty ? false : throw Cut());

    /// <summary>Seals what <paramref name="records"/> holds, for <see cref="Connection"/> to send before they are cleared.</summary>
    public ReadOnlyMemory<byte> Seal(RecordBuffer records)
    {
        ReadOnlyMemory<byte> wire = records.Seal(send);
        Interlocked.Add(ref _bytesSent, wire.Length);
        return wire;
    }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> text;
        while (!TryReadRecord(out text))
        {
            await WaitAsync(cancellationToken);
            if (!Received(await ReceiveAsync(cancellationToken)))
            {
                return 0;
            }
        }

        int count = Math.Min(buffer.Length, text.Length);
        text[..count].CopyTo(buffer);
        _unread = text[count..];
        return count;
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            int count = Math.Min(buffer.Length, _ownRecords.Free);
            _ownRecords.Write(buffer.Span[..count]);
            await connection.WriteAsync(Seal(_ownRecords), cancellationToken);
            _ownRecords.Clear();
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
