using System.Security.Cryptography;

namespace Cocoon.Protocol.Libp2p.Security;

/// <summary>Noise's SymmetricState for <c>Noise_XX_25519_ChaChaPoly_SHA256</c>.</summary>
internal sealed class NoiseSymmetricState : IDisposable
{
    private readonly byte[] _hash = new byte[32];
    private readonly byte[] _chainingKey = new byte[32];
    private NoiseCipher? _cipher;

    public NoiseSymmetricState(ReadOnlySpan<byte> prologue)
    {
        // The name has exactly 32 bytes, so it is the first hash itself.
        "Noise_XX_25519_ChaChaPoly_SHA256"u8.CopyTo(_hash);
        _hash.CopyTo(_chainingKey, 0);
        MixHash(prologue);
    }

    public ReadOnlySpan<byte> HandshakeHash => _hash;

    /// <summary>Bytes that encryption adds now.</summary>
    public int Overhead => _cipher is null ? 0 : NoiseCipher.TagSize;

    public void MixHash(ReadOnlySpan<byte> data)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(_hash);
        hash.AppendData(data);
        hash.GetHashAndReset(_hash);
    }

    public void MixKey(ReadOnlySpan<byte> inputKeyMaterial)
    {
        Span<byte> output = stackalloc byte[64];
        Derive(inputKeyMaterial, output);
        output[..32].CopyTo(_chainingKey);
        _cipher?.Dispose();
        _cipher = new NoiseCipher(output[32..]);
        CryptographicOperations.ZeroMemory(output);
    }

    /// <summary>Writes <paramref name="text"/> encrypted (in the clear before the first key) and returns the length.</summary>
    public int EncryptAndHash(ReadOnlySpan<byte> text, Span<byte> destination)
    {
        text.CopyTo(destination);
        _cipher?.Encrypt(destination[..text.Length], destination.Slice(text.Length, NoiseCipher.TagSize), _hash);
        int written = text.Length + Overhead;
        MixHash(destination[..written]);
        return written;
    }

    /// <summary>Writes the decrypted <paramref name="message"/>; <c>false</c> when it does not authenticate.</summary>
    public bool TryDecryptAndHash(ReadOnlySpan<byte> message, Span<byte> destination, out int written)
    {
        written = message.Length - Overhead;
        if (written < 0)
        {
            return false;
        }

        message[..written].CopyTo(destination);
        if (_cipher is not null && !_cipher.TryDecrypt(destination[..written], message[written..], _hash))
        {
            return false;
        }

        MixHash(message);
        return true;
    }

    /// <summary>The two transport ciphers: from initiator to responder, and back.</summary>
    public (NoiseCipher ToResponder, NoiseCipher ToInitiator) Split()
    {
        Span<byte> output = stackalloc byte[64];
        Derive([], output);
        (NoiseCipher, NoiseCipher) ciphers = (new NoiseCipher(output[..32]), new NoiseCipher(output[32..]));
        CryptographicOperations.ZeroMemory(output);
        return ciphers;
    }

    /// <summary>Noise's HKDF with two outputs; the library's refuses the empty input of <see cref="Split"/>.</summary>
    private void Derive(ReadOnlySpan<byte> inputKeyMaterial, Span<byte> output)
    {
        Span<byte> key = stackalloc byte[32], block = stackalloc byte[33];
        HMACSHA256.HashData(_chainingKey, inputKeyMaterial, key);
        block[0] = 1;
        HMACSHA256.HashData(key, block[..1], output[..32]);
        output[..32].CopyTo(block);
        block[32] = 2;
        HMACSHA256.HashData(key, block, output[32..]);
        CryptographicOperations.ZeroMemory(key);
        CryptographicOperations.ZeroMemory(block);
    }

    public void Dispose()
    {
        _cipher?.Dispose();
        CryptographicOperations.ZeroMemory(_chainingKey);
    }
}
