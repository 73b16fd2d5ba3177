using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Receipts;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Receipts;

internal sealed class ReceiptVerifierTests
{
    [Test]
    public void Verify_EvidenceForAPeerThatIsNone_IsAVerdictNeverAnException()
    {
        ManualTimeProvider time = new();
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        EnclaveBinding binding = EvidenceSamples.Binding(EvidenceSamples.Peer(out Ed25519PrivateKey peer), identity) with { PeerId = [1, 2, 3] };
        peer.Dispose();
        ReceiptFile file = new()
        {
            Session = "",
            Provider = "",
            Model = "",
            Tier = "",
            TotalNanoton = "0",
            Receipt = [],
            ReceiptSignature = new byte[64],
            Evidence = EvidenceSamples.Bundle(binding, time.GetUtcNow()).Encode(),
            Quote = [],
            QuoteSignature = new byte[64],
        };
        ReceiptVerdict verdict = ReceiptVerifier.Verify(file, AppraisalPolicy.Default with { AllowSimulated = true }, time);
        Assert.That(verdict.Checks.Single(check => check.Name == "quote").Ok, Is.False);
    }
}
