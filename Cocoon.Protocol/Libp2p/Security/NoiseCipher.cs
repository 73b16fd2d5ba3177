using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Libp2p.Security;

/// <summary>Noise's CipherState: ChaCha20-Poly1305 with a counter nonce (4 zero bytes, 64-bit little endian).</summary>
/// <remarks>One direction, one user at a time. Works in place.</remarks>
internal sealed class NoiseCipher : IDisposable
{
    public const int KeySize = 32;
    public const int TagSize = 16;

    private readonly ChaCha20Poly1305 _aead;
    private ulong _counter;

    public NoiseCipher(ReadOnlySpan<byte> key) => _aead = new ChaCha20Poly1305(key);

    /// <summary>Encrypts in place and writes the tag.</summary>
    /// <exception cref="Libp2pException">The counter is used up; the connection must end.</exception>
    public void Encrypt(Span<byte> text, Span<byte> tag, ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> nonce = stackalloc byte[12];
        NextNonce(nonce);
        _aead.Encrypt(nonce, text, text, tag, associatedData);
    }

    /// <summary>Decrypts in place; <c>false</c> when the tag does not hold.</summary>
    public bool TryDecrypt(Span<byte> text, ReadOnlySpan<byte> tag, ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> nonce = stackalloc byte[12];
        NextNonce(nonce);
        try
        {
            _aead.Decrypt(nonce, text, tag, text, associatedData);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    public void Dispose() => _aead.Dispose();

    private void NextNonce(Span<byte> nonce)
    {
        // The last value is reserved by the specification.
        if (_counter == ulong.MaxValue)
        {
            throw new Libp2pException(Libp2pErrorCode.SecurityFailed, "The nonces of this connection are used up.");
        }

        nonce[..4].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], _counter++);
    }
}
