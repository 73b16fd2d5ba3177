using System.Buffers.Binary;
using System.Text;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Tl;

/// <summary>Reads TL: little-endian integers, byte strings padded to 4. Anything that does not fit is <see cref="TonException"/> (Malformed).</summary>
internal ref struct TlReader(ReadOnlySpan<byte> data)
{
    private ReadOnlySpan<byte> _rest = data;

    public readonly int Remaining => _rest.Length;

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public int ReadInt32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public bool ReadBool() => ReadUInt32() switch
    {
        TlConstructors.BoolTrue => true,
        TlConstructors.BoolFalse => false,
        var other => throw TonException.Malformed($"TL truth value {other:x8}"),
    };

    public CellHash ReadInt256() => new(Take(CellHash.Size));

    /// <summary><c>bytes</c>: one length byte below 254, or 254 and three; then the data; then zeros up to a multiple of 4.</summary>
    public ReadOnlySpan<byte> ReadBytes()
    {
        int length = Take(1)[0];
        int head = 1;
        if (length == 255)
        {
            throw TonException.Malformed("TL byte string with a reserved length");
        }

        if (length == 254)
        {
            ReadOnlySpan<byte> size = Take(3);
            length = size[0] | (size[1] << 8) | (size[2] << 16);
            head = 4;
        }

        ReadOnlySpan<byte> value = Take(length);
        Take(-(head + length) & 3);
        return value;
    }

    public string ReadString() => Encoding.UTF8.GetString(ReadBytes());

    /// <summary>The count of a bare vector whose items take at least <paramref name="itemSize"/> bytes each.</summary>
    public int ReadCount(int itemSize)
    {
        uint count = ReadUInt32();
        return count <= (uint)(_rest.Length / itemSize) ? (int)count : throw TonException.Malformed("TL vector longer than its message");
    }

    /// <exception cref="TonException">Another constructor.</exception>
    public void Require(uint constructor)
    {
        uint found = ReadUInt32();
        if (found != constructor)
        {
            throw TonException.Malformed($"TL constructor {found:x8} where {constructor:x8} was expected");
        }
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _rest.Length)
        {
            throw TonException.Malformed("TL message is truncated");
        }

        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
