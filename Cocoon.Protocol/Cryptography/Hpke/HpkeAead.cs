using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>AEAD identifiers of RFC 9180 §7.3 that Cocoon uses.</summary>
internal static class HpkeAeadId
{
    public const ushort Aes256Gcm = 0x0002;
    public const ushort ChaCha20Poly1305 = 0x0003;
}

/// <summary>An AEAD under one key: 32-byte key, 12-byte nonce, 16-byte tag at the end of the ciphertext.</summary>
/// <remarks>Not thread-safe. The caller never repeats a nonce.</remarks>
internal sealed class HpkeAead : IDisposable
{
    public const int KeySize = 32;
    public const int NonceSize = 12;
    public const int TagSize = 16;

    private readonly ChaCha20Poly1305? _chaCha;
    private readonly AesGcm? _aes;

    /// <exception cref="ArgumentException">An identifier that <see cref="IsSupported"/> refuses.</exception>
    public HpkeAead(ushort id, ReadOnlySpan<byte> key)
    {
        switch (id)
        {
            case HpkeAeadId.ChaCha20Poly1305:
                _chaCha = new ChaCha20Poly1305(key);
                break;
            case HpkeAeadId.Aes256Gcm when key.Length == KeySize:
                _aes = new AesGcm(key, TagSize);
                break;
            default:
                throw new ArgumentException("unsupported AEAD or key size", nameof(id));
        }
    }

    public static bool IsSupported(ushort id) => id switch
    {
        HpkeAeadId.ChaCha20Poly1305 => ChaCha20Poly1305.IsSupported,
        HpkeAeadId.Aes256Gcm => AesGcm.IsSupported,
        _ => false,
    };

    /// <param name="ciphertext">Exactly the plaintext's length and <see cref="TagSize"/>.</param>
    public void Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, ReadOnlySpan<byte> associatedData)
    {
        Span<byte> body = ciphertext[..plaintext.Length];
        Span<byte> tag = ciphertext.Slice(plaintext.Length, TagSize);
        if (_chaCha is not null)
        {
            _chaCha.Encrypt(nonce, plaintext, body, tag, associatedData);
        }
        else
        {
            _aes!.Encrypt(nonce, plaintext, body, tag, associatedData);
        }
    }

    /// <summary><c>false</c> for a wrong tag or length; the plaintext is then zeroed.</summary>
    public bool TryDecrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext, ReadOnlySpan<byte> associatedData)
    {
        if (ciphertext.Length < TagSize || plaintext.Length != ciphertext.Length - TagSize)
        {
            return false;
        }

        ReadOnlySpan<byte> body = ciphertext[..^TagSize];
        ReadOnlySpan<byte> tag = ciphertext[^TagSize..];
        try
        {
            if (_chaCha is not null)
            {
                _chaCha.Decrypt(nonce, body, tag, plaintext, associatedData);
            }
            else
            {
                _aes!.Decrypt(nonce, body, tag, plaintext, associatedData);
            }

            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            CryptographicOperations.ZeroMemory(plaintext);
            return false;
        }
    }

    public void Dispose()
    {
        _chaCha?.Dispose();
        _aes?.Dispose();
    }
}
