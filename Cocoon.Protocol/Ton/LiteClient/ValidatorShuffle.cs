using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>The pseudo-random numbers that order validators: SHA-512 over a counter (from 0, 32 bytes) and the session.</summary>
internal sealed class ValidatorShuffle
{
    private readonly byte[] _description = new byte[48];
    private readonly byte[] _block = new byte[SHA512.HashSizeInBytes];
    private int _used = SHA512.HashSizeInBytes;

    public ValidatorShuffle(ulong shard, int workchain, uint catchainSeqno)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_description.AsSpan(32), shard);
        BinaryPrimitives.WriteInt32BigEndian(_description.AsSpan(40), workchain);
        BinaryPrimitives.WriteUInt32BigEndian(_description.AsSpan(44), catchainSeqno);
    }

    /// <summary>From 0 to below <paramref name="limit"/>.</summary>
    public int Next(int limit)
    {
        if (_used == _block.Length)
        {
            SHA512.HashData(_description, _block);
            for (int i = 31; i >= 0 && ++_description[i] == 0; i--)
            {
            }

            _used = 0;
        }

        ulong value = BinaryPrimitives.ReadUInt64BigEndian(_block.AsSpan(_used));
        _used += sizeof(ulong);
        return (int)Math.BigMul(value, (ulong)limit, out _);
    }
}
