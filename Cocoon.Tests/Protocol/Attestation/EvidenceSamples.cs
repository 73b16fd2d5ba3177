using System.Collections.Immutable;
using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Simulated;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Inference;
using Google.Protobuf;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>Bindings and simulated bundles for tests.</summary>
internal static class EvidenceSamples
{
    public static ModelId Model { get; } = new(SHA256.HashData("model"u8));

    /// <summary>Rules of an enclave with every protection on.</summary>
    public static EnclavePolicy Rules { get; } = new()
    {
        Schema = EnclavePolicy.CurrentSchema,
        Profile = EnclavePolicy.Embedded,
        MayRunUnprotected = false,
        Protections = EnclavePolicy.RequiredProtections.ToImmutableSortedDictionary(name => name, _ => "on", StringComparer.Ordinal),
        Suites = ["0020-0001-0003"],
        KeyLifetimeSeconds = 3600,
        KeyOverlapSeconds = 300,
        EvidenceLifetimeSeconds = 43_200,
        ReplayCapacity = 65_536,
        RequestExpirySeconds = 300,
        FrameBytes = 512,
        FrameTickMilliseconds = 100,
        BlockMilliseconds = 2000,
        MinimumUnitTokens = 64,
        PaymentWaitMilliseconds = 10_000,
    };

    public static EnclaveBinding Binding(PeerId peer, Ed25519PrivateKey identity, ReadOnlySpan<byte> hpkeKey = default) => new()
    {
        Kind = EvidenceKind.Simulated,
        IdentityKey = [.. identity.PublicKey.Bytes],
        Keys =
        [
            new BoundKey(
                [1, 2, 3, 4, 5, 6, 7, 8],
                X25519Kem.KemId,
                [.. hpkeKey.IsEmpty ? RandomNumberGenerator.GetBytes(32) : hpkeKey.ToArray()],
                [new HpkeSuiteIds(LabeledKdf.HkdfSha256, HpkeAeadId.ChaCha20Poly1305)],
                1),
        ],
        PeerId = [.. peer.Bytes],
        EngineDigest = [.. SHA256.HashData("engine"u8)],
        Models = [Model],
        PolicyDigest = [.. EnclavePolicy.Digest(Rules.Encode())],
        BootNonce = [.. RandomNumberGenerator.GetBytes(32)],
    };

    public static EvidenceBundle Bundle(EnclaveBinding binding, DateTimeOffset issued, Ed25519PrivateKey? bootKey = null)
    {
        using Ed25519PrivateKey own = Ed25519PrivateKey.Generate();
        byte[] bytes = binding.Encode();
        Protections protections = new() { Items = { new Protections.Types.Protection { Name = "seccomp", State = "on" } } };
        SimulatedStatement statement =
            new([.. EnclaveBinding.ReportData(bytes)], (ulong)issued.ToUnixTimeMilliseconds(), [.. protections.ToByteArray()]);
        return new EvidenceBundle { Binding = [.. bytes], EnclavePolicy = [.. Rules.Encode()], Evidence = [.. statement.Sign(bootKey ?? own)] };
    }

    public static PeerId Peer(out Ed25519PrivateKey key)
    {
        key = Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }
}
