using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Simulated;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Enclaves.Proto;
using Google.Protobuf;

namespace Cocoon.Enclave.Attestation;

/// <summary>Evidence of a machine without a TEE: a statement by a key of this boot, with the state of the process protections.</summary>
internal sealed class SimulatedEvidenceSource(Protections protections, TimeProvider time) : IEvidenceSource, IDisposable
{
    private readonly Ed25519PrivateKey _bootKey = Ed25519PrivateKey.Generate();

    public EvidenceKind Kind => EvidenceKind.Simulated;

    public Tier Tier => Tier.Open;

    public ValueTask<EvidenceBundle> CollectAsync(EnclaveBinding binding, CancellationToken cancellationToken)
    {
        byte[] bytes = binding.Encode();
        SimulatedStatement statement = new(
            [.. EnclaveBinding.ReportData(bytes)], (ulong)time.GetUtcNow().ToUnixTimeMilliseconds(), [.. protections.ToByteArray()]);
        return ValueTask.FromResult(new EvidenceBundle { Binding = [.. bytes], Evidence = [.. statement.Sign(_bootKey)] });
    }

    public void Dispose() => _bootKey.Dispose();
}
