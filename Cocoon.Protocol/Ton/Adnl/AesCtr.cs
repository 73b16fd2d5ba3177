using System.Security.Cryptography;

namespace Cocoon.Protocol.Ton.Adnl;

/// <summary>AES-256 in counter mode as a stream: the base library has the block cipher only.</summary>
/// <remarks>One direction of one connection; not thread-safe. Encrypting and decrypting are the same.</remarks>
internal sealed class AesCtr : IDisposable
{
    private const int Block = 16;
    private const int Batch = 64 * Block;

    private readonly Aes _aes;
    private readonly byte[] _counter = new byte[Block];
    private readonly byte[] _counters = new byte[Batch];
    private readonly byte[] _keyStream = new byte[Batch];
    private int _used = Batch;

    public AesCtr(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv)
    {
        _aes = Aes.Create();
        _aes.Key = key.ToArray();
        iv.CopyTo(_counter);
    }

    public void Apply(Span<byte> data)
    {
        while (data.Length > 0)
        {
            if (_used == Batch)
            {
                Refill();
            }

            int count = Math.Min(data.Length, Batch - _used);
            for (int i = 0; i < count; i++)
            {
                data[i] ^= _keyStream[_used + i];
            }

            _used += count;
            data = data[count..];
        }
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_keyStream);
        _aes.Dispose();
    }

    private void Refill()
    {
        for (int offset = 0; offset < Batch; offset += Block)
        {
            _counter.CopyTo(_counters, offset);
            for (int i = Block - 1; i >= 0 && ++_counter[i] == 0; i--)
            {
            }
        }

        _aes.EncryptEcb(_counters, _keyStream, PaddingMode.None);
        _used = 0;
    }
}
