using System.Buffers.Binary;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Node.Attestation;

/// <summary>RFC 9180 with DHKEM(X25519, HKDF-SHA256) in all four modes and with every AEAD, for published vectors. Sessions use base mode and <see cref="HpkeSuite"/>.</summary>
internal sealed record Rfc9180Formulas(byte[] Key, byte[] BaseNonce, byte[] ExporterSecret, int Aead)
{
    public const int ExportOnly = 0xFFFF;

    private const int Aes128Gcm = 1;
    private const int Aes256Gcm = 2;
    private const int ChaCha20Poly1305Id = 3;
    private const int TagSize = 16;

    private static ReadOnlySpan<byte> KemSuite => "KEM\x00\x20"u8;

    public static bool IsKnown(int kem, int kdf, int aead) =>
        kem == X25519Kem.KemId && kdf == LabeledKdf.HkdfSha256 && aead is Aes128Gcm or Aes256Gcm or ChaCha20Poly1305Id or ExportOnly;

    /// <summary>Decap and AuthDecap, §4.1.</summary>
    /// <param name="senderKey">The sender's public key in the authenticated modes; <c>null</c> otherwise.</param>
    public static byte[] Decapsulate(byte[] encapsulation, byte[] recipientKey, byte[]? senderKey)
    {
        using X25519PrivateKey recipient = X25519PrivateKey.FromBytes(recipientKey);
        byte[] agreed = Agree(recipient, encapsulation);
        byte[] context = [.. encapsulation, .. recipient.PublicKey];
        if (senderKey is not null)
        {
            agreed = [.. agreed, .. Agree(recipient, senderKey)];
            context = [.. context, .. senderKey];
        }

        byte[] prk = new byte[LabeledKdf.HashSize];
        byte[] shared = new byte[LabeledKdf.HashSize];
        LabeledKdf.Extract([], KemSuite, "eae_prk"u8, agreed, prk);
        LabeledKdf.Expand(prk, KemSuite, "shared_secret"u8, context, shared);
        return shared;
    }

    /// <summary>KeySchedule, §5.1.</summary>
    public static Rfc9180Formulas Schedule(int mode, byte[] sharedSecret, byte[] info, byte[] psk, byte[] pskId, int aead)
    {
        byte[] suite = Suite(aead);
        byte[] context = new byte[1 + (2 * LabeledKdf.HashSize)];
        context[0] = (byte)mode;
        LabeledKdf.Extract([], suite, "psk_id_hash"u8, pskId, context.AsSpan(1, LabeledKdf.HashSize));
        LabeledKdf.Extract([], suite, "info_hash"u8, info, context.AsSpan(1 + LabeledKdf.HashSize));
        byte[] secret = new byte[LabeledKdf.HashSize];
        LabeledKdf.Extract(sharedSecret, suite, "secret"u8, psk, secret);
        byte[] Derive(ReadOnlySpan<byte> label, int length)
        {
            byte[] value = new byte[length];
            LabeledKdf.Expand(secret, suite, label, context, value);
            return value;
        }

        return new Rfc9180Formulas(
            aead == ExportOnly ? [] : Derive("key"u8, KeySize(aead)),
            aead == ExportOnly ? [] : Derive("base_nonce"u8, HpkeAead.NonceSize),
            Derive("exp"u8, LabeledKdf.HashSize),
            aead);
    }

    public byte[] Seal(ulong sequence, byte[] associatedData, byte[] plaintext)
    {
        byte[] nonce = [.. BaseNonce];
        Span<byte> tail = nonce.AsSpan(nonce.Length - sizeof(ulong));
        BinaryPrimitives.WriteUInt64BigEndian(tail, BinaryPrimitives.ReadUInt64BigEndian(tail) ^ sequence);
        return Seal(Aead, Key, nonce, associatedData, plaintext);
    }

    public byte[] Export(byte[] context, int length)
    {
        byte[] value = new byte[length];
        LabeledKdf.Expand(ExporterSecret, Suite(Aead), "sec"u8, context, value);
        return value;
    }

    public static int KeySize(int aead) => aead == Aes128Gcm ? 16 : 32;

    public static byte[] Seal(int aead, byte[] key, byte[] nonce, byte[] associatedData, byte[] plaintext)
    {
        byte[] sealedBytes = new byte[plaintext.Length + TagSize];
        Span<byte> body = sealedBytes.AsSpan(0, plaintext.Length);
        Span<byte> tag = sealedBytes.AsSpan(plaintext.Length);
        if (aead == ChaCha20Poly1305Id)
        {
            using ChaCha20Poly1305 chaCha = new(key);
            chaCha.Encrypt(nonce, plaintext, body, tag, associatedData);
        }
        else
        {
            using AesGcm aes = new(key, TagSize);
            aes.Encrypt(nonce, plaintext, body, tag, associatedData);
        }

        return sealedBytes;
    }

    private static byte[] Suite(int aead) => [.. "HPKE"u8, 0, 0x20, 0, 1, (byte)(aead >> 8), (byte)aead];

    private static byte[] Agree(X25519PrivateKey own, byte[] peer)
    {
        byte[] shared = new byte[X25519PrivateKey.Size];
        return own.TryAgree(peer, shared) ? shared : throw new CryptographicException("low-order public key");
    }
}
