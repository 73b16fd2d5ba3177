using System.Buffers.Binary;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Protocol.Libp2p.Security;

/// <summary>Plaintext laid out as Noise records, with room for each record's length and tag, so that sealing works in place.</summary>
/// <remarks>
/// <code>
/// | length 2 | plaintext ≤ 65518 | tag 16 | length 2 | plaintext …
/// </code>
/// Four full records fill 256 KiB, so the plaintext is one byte shorter than the format allows. Owns a pooled array between the first
/// write and <see cref="Release"/>. Not thread-safe.
/// </remarks>
internal sealed class RecordBuffer
{
    public const int MaxPlaintext = 65518;

    private const int LengthSize = 2;
    private const int MaxRecords = 4;
    private const int RecordSize = LengthSize + MaxPlaintext + NoiseCipher.TagSize;

    private byte[]? _array;
    private int _records;
    private int _plaintext;

    public bool IsEmpty => _records == 0;

    /// <summary>Plaintext bytes that still fit.</summary>
    public int Free => _records == 0 ? MaxRecords * MaxPlaintext : ((MaxRecords - _records) * MaxPlaintext) + MaxPlaintext - _plaintext;

    /// <summary>Appends, splitting over records where one is full.</summary>
    /// <exception cref="ArgumentException">More than <see cref="Free"/>.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > Free)
        {
            throw new ArgumentException("More bytes than fit.", nameof(bytes));
        }

        while (!bytes.IsEmpty)
        {
            if (_records == 0 || _plaintext == MaxPlaintext)
            {
                _records++;
                _plaintext = 0;
            }

            int count = Math.Min(bytes.Length, MaxPlaintext - _plaintext);
            int at = ((_records - 1) * RecordSize) + LengthSize + _plaintext;
            EnsureCapacity(at + count + NoiseCipher.TagSize);
            bytes[..count].CopyTo(_array.AsSpan(at));
            _plaintext += count;
            bytes = bytes[count..];
        }
    }

    /// <summary>Seals every record in place; the result stays valid until <see cref="Clear"/> or <see cref="Release"/>.</summary>
    public ReadOnlyMemory<byte> Seal(NoiseCipher cipher)
    {
        int end = 0;
        for (int i = 0; i < _records; i++)
        {
            int length = i == _records - 1 ? _plaintext : MaxPlaintext;
            Span<byte> record = _array.AsSpan(i * RecordSize, LengthSize + length + NoiseCipher.TagSize);
            BinaryPrimitives.WriteUInt16BigEndian(record, (ushort)(length + NoiseCipher.TagSize));
            cipher.Encrypt(record.Slice(LengthSize, length), record[(LengthSize + length)..]);
            end = (i * RecordSize) + record.Length;
        }

        return _array.AsMemory(0, end);
    }

    public void Clear() => (_records, _plaintext) = (0, 0);

    /// <summary>Forgets the content and gives the array back.</summary>
    public void Release()
    {
        Clear();
        if (_array is { } array)
        {
            _array = null;
            ConnectionBuffers.Sockets.Return(array);
        }
    }

    private void EnsureCapacity(int size)
    {
        if (_array is not null && _array.Length >= size)
        {
            return;
        }

        byte[] larger = ConnectionBuffers.Sockets.Rent(size <= ConnectionBuffers.SmallSize ? ConnectionBuffers.SmallSize : ConnectionBuffers.LargeSize);
        if (_array is { } array)
        {
            array.CopyTo(larger, 0);
            ConnectionBuffers.Sockets.Return(array);
        }

        _array = larger;
    }
}
