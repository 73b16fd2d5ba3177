using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Tests.Protocol.Attestation.Synthetic;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary>One platform of each vendor under roots of its own, and the peer whose enclave runs there.</summary>
internal sealed class TestHardware : IDisposable
{
    private readonly Ed25519PrivateKey _peerKey;

    public TestHardware() => Peer = EvidenceSamples.Peer(out _peerKey);

    public TdxPlatform Tdx { get; } = new();

    public SnpPlatform Snp { get; } = new();

    public GpuDevice Gpu { get; } = new();

    public Ed25519PrivateKey Identity { get; } = Ed25519PrivateKey.Generate();

    public PeerId Peer { get; }

    public void Dispose()
    {
        Tdx.Dispose();
        Snp.Dispose();
        Gpu.Dispose();
        Identity.Dispose();
        _peerKey.Dispose();
    }
}
