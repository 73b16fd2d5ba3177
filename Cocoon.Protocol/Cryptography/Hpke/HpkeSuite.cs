using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>A ciphersuite of RFC 9180 and its base mode: the sender stays anonymous, the recipient is known by attestation.</summary>
internal sealed class HpkeSuite
{
    private const byte ModeBase = 0x00;

    private readonly byte[] _suiteId = [.. "HPKE"u8, 0, 0, 0, 0, 0, 0];

    private readonly HpkeAeadFactory _createAead;

    private HpkeSuite(IKem kem, ushort aead)
        : this(kem, aead, key => HpkeAead.Create(aead, key))
    {
    }

    /// <param name="aead">By what name the suite goes.</param>
    /// <param name="createAead">What goes by that name: an AEAD, which the product has two of.</param>
    internal HpkeSuite(IKem kem, ushort aead, HpkeAeadFactory createAead)
    {
        Kem = kem;
        AeadId = aead;
        _createAead = createAead;
        BinaryPrimitives.WriteUInt16BigEndian(_suiteId.AsSpan(4), kem.Id);
        BinaryPrimitives.WriteUInt16BigEndian(_suiteId.AsSpan(6), KdfId);
        BinaryPrimitives.WriteUInt16BigEndian(_suiteId.AsSpan(8), aead);
    }

    /// <summary>Suite A, mandatory: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.</summary>
    public static HpkeSuite A { get; } = new(X25519Kem.Instance, HpkeAeadId.ChaCha20Poly1305);

    /// <summary>Suite B, optional: as A with AES-256-GCM.</summary>
    public static HpkeSuite B { get; } = new(X25519Kem.Instance, HpkeAeadId.Aes256Gcm);

    /// <summary>Suite C, post-quantum hybrid: X-Wing, HKDF-SHA256, ChaCha20Poly1305; <c>null</c> where the platform has no ML-KEM.</summary>
    public static HpkeSuite? C { get; private set; } =
        MlKem768.Platform is { } mlKem && XWingKem.IsSupported ? new(new XWingKem(mlKem), HpkeAeadId.ChaCha20Poly1305) : null;

    /// <summary>What an enclave of this build makes keys for, best first.</summary>
    public static IReadOnlyList<HpkeSuite> Offered => C is { } hybrid ? [hybrid, A] : [A];

    /// <summary>What a client of this build seals to, on this machine.</summary>
    public static IReadOnlyList<HpkeSuite> Accepted => [.. new[] { C, A, B }.OfType<HpkeSuite>().Where(s => HpkeAead.IsSupported(s.AeadId))];

    public IKem Kem { get; }

    /// <summary>Whether a recording of today stays closed to a quantum computer of tomorrow.</summary>
    public bool IsPostQuantum => Kem.Id == XWingKem.KemId;

    public ushort KdfId { get; } = LabeledKdf.HkdfSha256;

    public ushort AeadId { get; }

    /// <summary>Whether these are the identifiers of this suite.</summary>
    public bool Is(uint kem, uint kdf, uint aead) => kem == Kem.Id && kdf == KdfId && aead == AeadId;

    /// <summary>Gives this process an ML-KEM where the platform has none: tests run suite C with an independent implementation.</summary>
    internal static void UseMlKem(IMlKem768 mlKem) => C ??= new HpkeSuite(new XWingKem(mlKem), HpkeAeadId.ChaCha20Poly1305);

    /// <summary>SetupBaseS. <c>null</c> for a bad public key. The encapsulation's ephemeral key passes to the caller.</summary>
    public HpkeContext? TrySetupSender(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> info, [NotNullWhen(true)] out KemEncapsulation? encapsulation)
    {
        encapsulation = Kem.TryEncapsulate(publicKey);
        return encapsulation is null ? null : Schedule(encapsulation.SharedSecret.Span, info);
    }

    /// <summary>SetupBaseR. <c>null</c> for a bad encapsulation.</summary>
    public HpkeContext? TrySetupRecipient(IKemPrivateKey key, ReadOnlySpan<byte> encapsulation, ReadOnlySpan<byte> info)
    {
        Span<byte> shared = stackalloc byte[32];
        if (key.Kem.Id != Kem.Id || !key.TryDecapsulate(encapsulation, shared))
        {
            return null;
        }

        HpkeContext context = Schedule(shared, info);
        CryptographicOperations.ZeroMemory(shared);
        return context;
    }

    /// <summary>KeySchedule of RFC 9180 §5.1 in base mode, without pre-shared key.</summary>
    internal HpkeContext Schedule(ReadOnlySpan<byte> sharedSecret, ReadOnlySpan<byte> info)
    {
        Span<byte> schedule = stackalloc byte[1 + (2 * LabeledKdf.HashSize)];
        schedule[0] = ModeBase;
        LabeledKdf.Extract([], _suiteId, "psk_id_hash"u8, [], schedule[1..33]);
        LabeledKdf.Extract([], _suiteId, "info_hash"u8, info, schedule[33..]);

        Span<byte> secret = stackalloc byte[LabeledKdf.HashSize];
        Span<byte> key = stackalloc byte[HpkeAead.KeySize];
        Span<byte> baseNonce = stackalloc byte[HpkeAead.NonceSize];
        Span<byte> exporter = stackalloc byte[LabeledKdf.HashSize];
        LabeledKdf.Extract(sharedSecret, _suiteId, "secret"u8, [], secret);
        LabeledKdf.Expand(secret, _suiteId, "key"u8, schedule, key);
        LabeledKdf.Expand(secret, _suiteId, "base_nonce"u8, schedule, baseNonce);
        LabeledKdf.Expand(secret, _suiteId, "exp"u8, schedule, exporter);
        HpkeContext context = new(CreateAead(key), baseNonce, new SecretBytes(exporter), _suiteId);
        CryptographicOperations.ZeroMemory(secret);
        CryptographicOperations.ZeroMemory(key);
        CryptographicOperations.ZeroMemory(exporter);
        return context;
    }

    /// <summary>The suite's AEAD under a key of this session, for requests and answers alike.</summary>
    public HpkeAead CreateAead(ReadOnlySpan<byte> key) => _createAead(key);
}
