using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>An encryption context of RFC 9180 §5.2 with its counter, for one direction.</summary>
/// <remarks>Not thread-safe. Disposal erases the secrets.</remarks>
internal sealed class HpkeContext : IDisposable
{
    private readonly HpkeAead _aead;
    private readonly byte[] _baseNonce;
    private readonly SecretBytes _exporter;
    private readonly byte[] _suiteId;
    private ulong _sequence;

    internal HpkeContext(HpkeAead aead, ReadOnlySpan<byte> baseNonce, SecretBytes exporter, byte[] suiteId)
    {
        _aead = aead;
        _baseNonce = baseNonce.ToArray();
        _exporter = exporter;
        _suiteId = suiteId;
    }

    /// <summary>The next message's number; settable so that vectors can jump.</summary>
    internal ulong Sequence
    {
        get => _sequence;
        set => _sequence = value;
    }

    /// <exception cref="InvalidOperationException">The counter is used up.</exception>
    public byte[] Seal(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext)
    {
        byte[] ciphertext = new byte[plaintext.Length + HpkeAead.TagSize];
        Seal(associatedData, plaintext, ciphertext);
        return ciphertext;
    }

    /// <param name="associatedData">As for opening.</param>
    /// <param name="plaintext">May be where the ciphertext goes.</param>
    /// <param name="ciphertext">Longer by <see cref="HpkeAead.TagSize"/>.</param>
    /// <exception cref="InvalidOperationException">The counter is used up.</exception>
    public void Seal(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext)
    {
        Span<byte> nonce = stackalloc byte[HpkeAead.NonceSize];
        Nonce(_baseNonce, _sequence, nonce);
        _aead.Encrypt(nonce, plaintext, ciphertext, associatedData);
        Advance();
    }

    /// <summary><c>null</c> for a wrong tag; the counter then stays.</summary>
    /// <exception cref="InvalidOperationException">The counter is used up.</exception>
    public byte[]? TryOpen(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext)
    {
        if (ciphertext.Length < HpkeAead.TagSize)
        {
            return null;
        }

        byte[] plaintext = new byte[ciphertext.Length - HpkeAead.TagSize];
        Span<byte> nonce = stackalloc byte[HpkeAead.NonceSize];
        Nonce(_baseNonce, _sequence, nonce);
        if (!_aead.TryDecrypt(nonce, ciphertext, plaintext, associatedData))
        {
            return null;
        }

        Advance();
        return plaintext;
    }

    /// <summary>Context.Export, RFC 9180 §5.3.</summary>
    public void Export(ReadOnlySpan<byte> exporterContext, Span<byte> output) =>
        LabeledKdf.Expand(_exporter.Span, _suiteId, "sec"u8, exporterContext, output);

    public void Dispose()
    {
        _aead.Dispose();
        _exporter.Dispose();
        CryptographicOperations.ZeroMemory(_baseNonce);
    }

    /// <summary>base nonce XOR counter, big endian in the last eight bytes.</summary>
    internal static void Nonce(ReadOnlySpan<byte> baseNonce, ulong sequence, Span<byte> nonce)
    {
        baseNonce.CopyTo(nonce);
        Span<byte> tail = nonce[^sizeof(ulong)..];
        BinaryPrimitives.WriteUInt64BigEndian(tail, BinaryPrimitives.ReadUInt64BigEndian(tail) ^ sequence);
    }

    private void Advance()
    {
        if (_sequence == ulong.MaxValue)
        {
            throw new InvalidOperationException("HPKE message limit reached");
        }

        _sequence++;
    }
}
