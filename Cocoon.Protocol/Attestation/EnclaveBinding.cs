using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Cocoon.Protocol.Inference;

namespace Cocoon.Protocol.Attestation;

/// <summary>One key of the set that the evidence itself vouches for.</summary>
internal sealed record BoundKey(ImmutableArray<byte> KeyId, ushort Kem, ImmutableArray<byte> PublicKey, ImmutableArray<HpkeSuiteIds> Suites, ulong NotAfterMs);

internal readonly record struct HpkeSuiteIds(ushort Kdf, ushort Aead);

/// <summary>Everything an enclave's evidence is about, in one canonical form; its SHA-512 fills the hardware's <c>report_data</c>.</summary>
/// <remarks>
/// Big endian; <c>opaque</c> is a u16 length and bytes.
/// <code>
///  26  "cocoon/enclave-binding/v2\0"
///   1  evidence kind
///      opaque { u16 algorithm (1 Ed25519), public key }
///   2  number of HPKE keys, each: 8 key id, u16 KEM, opaque public key, u16 n × (u16 KDF, u16 AEAD), u64 not after (ms)
///      opaque peer id (multihash)
///  32  engine digest
///   2  number of models, each 32, ascending
///  32  policy digest: SHA-256 of the EnclavePolicy document in the bundle
///   1  number of GPU evidence digests, each 32, in device order
///  32  boot nonce
///      opaque challenge, 0 or 32 bytes
/// </code>
/// Decoding refuses every other encoding of the same content.
/// </remarks>
internal sealed record EnclaveBinding
{
    public const int DigestSize = 32;
    public const int KeyIdSize = 8;
    public const int ReportDataSize = 64;
    public const int MaxKeys = 8;
    public const int MaxModels = 64;
    public const int MaxPeerId = 64;
    public const int MaxPublicKey = 2048;

    private const ushort Ed25519Algorithm = 1;
    private const int MaxSuites = 8;

    private static ReadOnlySpan<byte> Domain => "cocoon/enclave-binding/v2\0"u8;

    public required EvidenceKind Kind { get; init; }

    /// <summary>Ed25519, 32 bytes.</summary>
    public required ImmutableArray<byte> IdentityKey { get; init; }

    public required ImmutableArray<BoundKey> Keys { get; init; }

    public required ImmutableArray<byte> PeerId { get; init; }

    public required ImmutableArray<byte> EngineDigest { get; init; }

    /// <summary>Ascending by bytes.</summary>
    public required ImmutableArray<ModelId> Models { get; init; }

    /// <summary>Of the rules that the enclave keeps (<see cref="EnclavePolicy"/>), computed by itself.</summary>
    public required ImmutableArray<byte> PolicyDigest { get; init; }

    public ImmutableArray<ImmutableArray<byte>> GpuEvidenceDigests { get; init; } = [];

    public required ImmutableArray<byte> BootNonce { get; init; }

    public ImmutableArray<byte> Challenge { get; init; } = [];

    public static byte[] ReportData(ReadOnlySpan<byte> bindingBytes) => SHA512.HashData(bindingBytes);

    public byte[] Encode()
    {
        BindingWriter writer = new BindingWriter().Raw(Domain).U8((byte)Kind);
        writer.Opaque16(new BindingWriter().U16(Ed25519Algorithm).Raw(IdentityKey.AsSpan()).ToArray());
        writer.U16(Keys.Length);
        foreach (BoundKey key in Keys)
        {
            writer.Raw(key.KeyId.AsSpan()).U16(key.Kem).Opaque16(key.PublicKey.AsSpan()).U16(key.Suites.Length);
            foreach (HpkeSuiteIds suite in key.Suites)
            {
                writer.U16(suite.Kdf).U16(suite.Aead);
            }

            writer.U64(key.NotAfterMs);
        }

        writer.Opaque16(PeerId.AsSpan()).Raw(EngineDigest.AsSpan()).U16(Models.Length);
        foreach (ModelId model in Models)
        {
            writer.Raw(model.ToArray());
        }

        writer.Raw(PolicyDigest.AsSpan()).U8(GpuEvidenceDigests.Length);
        foreach (ImmutableArray<byte> digest in GpuEvidenceDigests)
        {
            writer.Raw(digest.AsSpan());
        }

        return writer.Raw(BootNonce.AsSpan()).Opaque16(Challenge.AsSpan()).ToArray();
    }

    /// <summary><c>false</c> for anything but a canonical encoding within the limits.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out EnclaveBinding? binding)
    {
        try
        {
            binding = Decode(bytes);
            return true;
        }
        catch (EvidenceException)
        {
            binding = null;
            return false;
        }
    }

    /// <exception cref="EvidenceException">As <see cref="TryDecode"/>.</exception>
    public static EnclaveBinding Decode(ReadOnlySpan<byte> bytes)
    {
        BindingReader reader = new(bytes);
        reader.Expect(Domain);
        EvidenceKind kind = (EvidenceKind)reader.U8();
        BindingReader identity = new(reader.Opaque16(64));
        if (identity.U16() != Ed25519Algorithm)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "identity key algorithm");
        }

        ImmutableArray<byte> identityKey = [.. identity.Take(DigestSize)];
        identity.ExpectEnd();
        BoundKey[] keys = new BoundKey[Count(reader.U16(), MaxKeys)];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = ReadKey(ref reader);
        }

        ImmutableArray<byte> peerId = [.. reader.Opaque16(MaxPeerId)];
        ImmutableArray<byte> engine = [.. reader.Take(DigestSize)];
        ModelId[] models = new ModelId[Count(reader.U16(), MaxModels)];
        ReadOnlySpan<byte> previous = default;
        for (int i = 0; i < models.Length; i++)
        {
            ReadOnlySpan<byte> model = reader.Take(ModelId.Length);
            if (i > 0 && previous.SequenceCompareTo(model) >= 0)
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "models not ascending");
            }

            previous = model;
            models[i] = new ModelId(model);
        }

        ImmutableArray<byte> policy = [.. reader.Take(DigestSize)];
        ImmutableArray<byte>[] gpus = new ImmutableArray<byte>[reader.U8()];
        for (int i = 0; i < gpus.Length; i++)
        {
            gpus[i] = [.. reader.Take(DigestSize)];
        }

        ImmutableArray<byte> bootNonce = [.. reader.Take(DigestSize)];
        ImmutableArray<byte> challenge = [.. reader.Opaque16(DigestSize)];
        reader.ExpectEnd();
        if (challenge.Length is not (0 or DigestSize) || keys.Length == 0)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "challenge or key set");
        }

        return new EnclaveBinding
        {
            Kind = kind,
            IdentityKey = identityKey,
            Keys = [.. keys],
            PeerId = peerId,
            EngineDigest = engine,
            Models = [.. models],
            PolicyDigest = policy,
            GpuEvidenceDigests = [.. gpus],
            BootNonce = bootNonce,
            Challenge = challenge,
        };
    }

    private static BoundKey ReadKey(ref BindingReader reader)
    {
        ImmutableArray<byte> id = [.. reader.Take(KeyIdSize)];
        ushort kem = reader.U16();
        ImmutableArray<byte> publicKey = [.. reader.Opaque16(MaxPublicKey)];
        HpkeSuiteIds[] suites = new HpkeSuiteIds[Count(reader.U16(), MaxSuites)];
        for (int i = 0; i < suites.Length; i++)
        {
            suites[i] = new HpkeSuiteIds(reader.U16(), reader.U16());
        }

        return new BoundKey(id, kem, publicKey, [.. suites], reader.U64());
    }

    private static int Count(int count, int limit) =>
        count > limit ? throw new EvidenceException(EvidenceErrorCode.TooLarge, "too many entries") : count;
}
