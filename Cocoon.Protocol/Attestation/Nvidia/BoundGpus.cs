using System.Security.Cryptography;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>The GPUs that an enclave's binding names, verified.</summary>
/// <remarks>
/// Bound both ways: the binding, which the CPU's evidence signs, holds the digest of each report; each report answers a nonce made of
/// the enclave's identity key and boot. It is no bond in hardware: a dishonest host may still relay a genuine GPU from elsewhere.
/// </remarks>
internal sealed record BoundGpus(IReadOnlyList<GpuFacts> Facts, IReadOnlyList<string> Reasons, DateTimeOffset ValidUntil)
{
    /// <summary>What a verified CPU gives together with these: the higher tier only when every GPU measured what NVIDIA's manifests allow.</summary>
    public Tier Tier => Facts.Count > 0 && Reasons.Count == 0 && Facts.All(f => f.IsMeasured) ? Tier.CcGpu : Tier.CcCpu;

    public static byte[] Digest(ReadOnlySpan<byte> report) => SHA256.HashData(report);

    public static BoundGpus Verify(EvidenceBundle bundle, EnclaveBinding binding, GpuRoots roots, DateTimeOffset now)
    {
        if (bundle.Gpus.Length != binding.GpuEvidenceDigests.Length)
        {
            return new BoundGpus([], [GpuReasons.CountMismatch], DateTimeOffset.MaxValue);
        }

        List<GpuFacts> facts = [];
        List<string> reasons = [];
        DateTimeOffset validUntil = DateTimeOffset.MaxValue;
        for (int i = 0; i < bundle.Gpus.Length; i++)
        {
            GpuEvidence gpu = bundle.Gpus[i];
            if (!CryptographicOperations.FixedTimeEquals(Digest(gpu.Report.AsSpan()), binding.GpuEvidenceDigests[i].AsSpan()))
            {
                reasons.Add(GpuReasons.DigestMismatch);
            }

            byte[] nonce = GpuNonce.Derive(binding.BootNonce.AsSpan(), binding.IdentityKey.AsSpan(), i);
            GpuResult result = Verify(gpu, nonce, roots, now);
            reasons.AddRange(result.Reasons);
            validUntil = result.ValidUntil < validUntil ? result.ValidUntil : validUntil;
            if (result.Facts is { } read)
            {
                facts.Add(read);
            }
        }

        return new BoundGpus(facts, [.. reasons.Distinct()], validUntil);
    }

    private static GpuResult Verify(GpuEvidence gpu, byte[] nonce, GpuRoots roots, DateTimeOffset now)
    {
        List<Certificate> chain;
        try
        {
            chain = PemReader.ReadCertificates(gpu.Chain.AsSpan());
        }
        catch (EvidenceException)
        {
            return new GpuResult([GpuReasons.ChainMalformed], null, now);
        }

        return GpuVerifier.Verify(gpu.Report.AsMemory(), chain, gpu.Rims.Select(r => (ReadOnlyMemory<byte>)r.AsMemory()), nonce, roots, now);
    }
}
