using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>AEAD identifiers of RFC 9180 §7.3 that Cocoon uses.</summary>
internal static class HpkeAeadId
{
    public const ushort Aes256Gcm = 0x0002;
    public const ushort ChaCha20Poly1305 = 0x0003;
}

/// <summary>Makes an AEAD under a key of <see cref="HpkeAead.KeySize"/> bytes.</summary>
internal delegate HpkeAead HpkeAeadFactory(ReadOnlySpan<byte> key);

/// <summary>An AEAD under one key: 32-byte key, 12-byte nonce, 16-byte tag at the end of the ciphertext.</summary>
/// <remarks>Not thread-safe. The caller never repeats a nonce.</remarks>
internal abstract class HpkeAead : IDisposable
{
    public const int KeySize = 32;
    public const int NonceSize = 12;
    public const int TagSize = 16;

    /// <exception cref="ArgumentException">An identifier that <see cref="IsSupported"/> refuses.</exception>
    public static HpkeAead Create(ushort id, ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeySize);
        return id switch
        {
            HpkeAeadId.ChaCha20Poly1305 => new ChaCha20Poly1305Aead(key),
            HpkeAeadId.Aes256Gcm => new Aes256GcmAead(key),
            _ => throw new ArgumentException("unsupported AEAD", nameof(id)),
        };
    }

    public static bool IsSupported(ushort id) => id switch
    {
        HpkeAeadId.ChaCha20Poly1305 => ChaCha20Poly1305.IsSupported,
        HpkeAeadId.Aes256Gcm => AesGcm.IsSupported,
        _ => false,
    };

    /// <param name="ciphertext">Exactly the plaintext's length and <see cref="TagSize"/>.</param>
    public void Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, ReadOnlySpan<byte> associatedData) =>
        Encrypt(nonce, plaintext, ciphertext[..plaintext.Length], ciphertext.Slice(plaintext.Length, TagSize), associatedData);

    /// <summary><c>false</c> for a wrong tag or length; the plaintext is then zeroed.</summary>
    public bool TryDecrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext, ReadOnlySpan<byte> associatedData)
    {
        if (ciphertext.Length < TagSize || plaintext.Length != ciphertext.Length - TagSize)
        {
            return false;
        }

        try
        {
            Decrypt(nonce, ciphertext[..^TagSize], ciphertext[^TagSize..], plaintext, associatedData);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            CryptographicOperations.ZeroMemory(plaintext);
            return false;
        }
    }

    public abstract void Dispose();

    protected abstract void Encrypt(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> associatedData);

    /// <exception cref="AuthenticationTagMismatchException">The tag is not that of the ciphertext.</exception>
    protected abstract void Decrypt(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> associatedData);
}

internal sealed class ChaCha20Poly1305Aead(ReadOnlySpan<byte> key) : HpkeAead
{
    private readonly ChaCha20Poly1305 _cipher = new(key);

    public override void Dispose() => _cipher.Dispose();

    protected override void Encrypt(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> associatedData) =>
        _cipher.Encrypt(nonce, plaintext, ciphertext, tag, associatedData);

    protected override void Decrypt(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> associatedData) =>
        _cipher.Decrypt(nonce, ciphertext, tag, plaintext, associatedData);
}

internal sealed class Aes256GcmAead(ReadOnlySpan<byte> key) : HpkeAead
{
    private readonly AesGcm _cipher = new(key, TagSize);

    public override void Dispose() => _cipher.Dispose();

    protected override void Encrypt(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> associatedData) =>
        _cipher.Encrypt(nonce, plaintext, ciphertext, tag, associatedData);

    protected override void Decrypt(
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> associatedData) =>
        _cipher.Decrypt(nonce, ciphertext, tag, plaintext, associatedData);
}
