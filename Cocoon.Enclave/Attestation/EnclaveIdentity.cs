using System.Collections.Immutable;
using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Inference;

namespace Cocoon.Enclave.Attestation;

/// <summary>What this boot is about, besides its keys.</summary>
internal sealed record IdentitySubject(
    ImmutableArray<byte> PeerId,
    ImmutableArray<byte> EngineDigest,
    ImmutableArray<ModelId> Models,
    EnclavePolicy Policy);

/// <summary>All secrets of one boot and the evidence for them. Made after lockdown, only in memory, gone with the process.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class EnclaveIdentity : IDisposable
{
    /// <summary>Evidence is made anew well within the age that clients accept by default.</summary>
    public static readonly TimeSpan EvidenceLifetime = TimeSpan.FromHours(12);

    private readonly IEvidenceSource _source;
    private readonly IdentitySubject _subject;
    private readonly TimeProvider _time;
    private readonly byte[] _bootNonce = RandomNumberGenerator.GetBytes(EnclaveBinding.DigestSize);
    private readonly SecretBytes _bootSecret = SecretBytes.Random(32);
    private volatile Evidence _evidence;

    private EnclaveIdentity(IEvidenceSource source, IdentitySubject subject, IReadOnlyList<HpkeSuite> suites, TimeProvider time)
    {
        _source = source;
        _subject = subject;
        _time = time;
        Key = Ed25519PrivateKey.Generate();
        Keys = new KeyRing(Key, suites, time);
        _evidence = new Evidence([], [], [], time.GetUtcNow());
    }

    /// <summary>The attested identity key.</summary>
    public Ed25519PrivateKey Key { get; }

    public KeyRing Keys { get; }

    public EvidenceKind Kind => _source.Kind;

    public Tier Tier => _source.Tier;

    public Evidence Current => _evidence;

    /// <param name="suites">Those that receiving keys are made for, best first.</param>
    public static async Task<EnclaveIdentity> CreateAsync(
        IEvidenceSource source, IdentitySubject subject, IReadOnlyList<HpkeSuite> suites, TimeProvider time, CancellationToken cancellationToken)
    {
        EnclaveIdentity identity = new(source, subject, suites, time);
        await identity.RefreshEvidenceAsync(cancellationToken);
        return identity;
    }

    /// <exception cref="EvidenceSourceException">The machine gave none; the current evidence stays.</exception>
    public async Task RefreshEvidenceAsync(CancellationToken cancellationToken) => _evidence = await CollectAsync([], cancellationToken);

    /// <summary>Evidence made now, for one client that asks for it.</summary>
    /// <param name="challenge">32 bytes that only this evidence holds.</param>
    /// <exception cref="EvidenceSourceException">The machine gave none.</exception>
    public Task<Evidence> CollectFreshAsync(ImmutableArray<byte> challenge, CancellationToken cancellationToken) => CollectAsync(challenge, cancellationToken);

    private async Task<Evidence> CollectAsync(ImmutableArray<byte> challenge, CancellationToken cancellationToken)
    {
        byte[] policy = _subject.Policy.Encode();
        EnclaveBinding binding = new()
        {
            Kind = _source.Kind,
            IdentityKey = [.. Key.PublicKey.Bytes],
            Keys = Keys.Bound,
            PeerId = _subject.PeerId,
            EngineDigest = _subject.EngineDigest,
            Models = [.. _subject.Models.OrderBy(m => m.ToString(), StringComparer.Ordinal)],
            PolicyDigest = [.. EnclavePolicy.Digest(policy)],
            BootNonce = [.. _bootNonce],
            Challenge = challenge,
        };
        try
        {
            EvidenceBundle bundle = await _source.CollectAsync(binding, cancellationToken) with { EnclavePolicy = [.. policy] };
            byte[] bytes = bundle.Encode();
            return new Evidence(bytes, EvidenceBundle.Digest(bytes), EnclaveBinding.ReportData(bundle.Binding.AsSpan()), _time.GetUtcNow());
        }
        catch (Exception e) when (e is Tsm.TsmException or EvidenceException or IOException or UnauthorizedAccessException)
        {
            throw new EvidenceSourceException(e);
        }
    }

    /// <summary>The key under which this payer's prefixes are cached: nothing that host, channel or wallet knows.</summary>
    public void DeriveTenantKey(ReadOnlySpan<byte> tenantSecret, Span<byte> key) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _bootSecret.Span, key, tenantSecret, Cocoon.Protocol.Sessions.SessionDomains.Tenant);

    public void Dispose()
    {
        Keys.Dispose();
        Key.Dispose();
        _bootSecret.Dispose();
    }

    /// <summary>A bundle and what sessions need of it.</summary>
    internal sealed record Evidence(byte[] Bundle, byte[] Digest, byte[] ReportData, DateTimeOffset MadeAt);
}
