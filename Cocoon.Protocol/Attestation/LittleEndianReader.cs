using System.Buffers.Binary;

namespace Cocoon.Protocol.Attestation;

/// <summary>Reads the little-endian fields of hardware evidence; every length is checked against what is left.</summary>
internal ref struct LittleEndianReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public readonly int Remaining => _rest.Length;

    public ReadOnlySpan<byte> Take(uint length)
    {
        if (length > (uint)_rest.Length)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "truncated");
        }

        ReadOnlySpan<byte> taken = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return taken;
    }

    public byte U8() => Take(1)[0];

    public ushort U16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(sizeof(ushort)));

    public uint U24()
    {
        ReadOnlySpan<byte> b = Take(3);
        return b[0] | (uint)b[1] << 8 | (uint)b[2] << 16;
    }

    public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

    public readonly void ExpectEnd()
    {
        if (_rest.Length > 0)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "trailing bytes");
        }
    }
}
