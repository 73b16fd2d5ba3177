using System.Buffers.Binary;

namespace Cocoon.Protocol.Attestation;

/// <summary>Bytes that are not the canonical form of what they should be, or beyond a limit.</summary>
internal enum EvidenceErrorCode
{
    Malformed = 1,
    TooLarge = 2,
    UnsupportedVersion = 3,
}

/// <summary>Thrown by the parsers of evidence; verifiers turn it into a refusal with a reason word.</summary>
internal sealed class EvidenceException(EvidenceErrorCode code, string message) : Exception(message)
{
    public EvidenceErrorCode Code { get; } = code;
}

/// <summary>Reads big-endian fields with explicit lengths; every length is checked against what is left and a limit.</summary>
internal ref struct BindingReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public readonly int Remaining => _rest.Length;

    public ReadOnlySpan<byte> Take(int length)
    {
        if (length > _rest.Length)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "truncated");
        }

        ReadOnlySpan<byte> taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }

    public void Expect(ReadOnlySpan<byte> constant)
    {
        if (!Take(constant.Length).SequenceEqual(constant))
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "domain");
        }
    }

    public byte U8() => Take(1)[0];

    public ushort U16() => BinaryPrimitives.ReadUInt16BigEndian(Take(sizeof(ushort)));

    public uint U32() => BinaryPrimitives.ReadUInt32BigEndian(Take(sizeof(uint)));

    public ulong U64() => BinaryPrimitives.ReadUInt64BigEndian(Take(sizeof(ulong)));

    public byte[] Opaque16(int limit) => Limited(U16(), limit);

    public byte[] Opaque32(int limit) => Limited(U32(), limit);

    public readonly void ExpectEnd()
    {
        if (_rest.Length > 0)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "trailing bytes");
        }
    }

    private byte[] Limited(uint length, int limit) => length > (uint)limit
        ? throw new EvidenceException(EvidenceErrorCode.TooLarge, "field too long")
        : Take((int)length).ToArray();
}
