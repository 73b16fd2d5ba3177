using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Receipts;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Support;
using Google.Protobuf;
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

    /// <summary>The receipt comes out of the sealed stream: an enclave of tier open is whatever its owner runs.</summary>
    [Test]
    public void Create_OfBytesThatClaimAGigabyte_IsMalformedAndCostsNothing()
    {
        AppraisedEnclave enclave = new()
        {
            Attestation = null!,
            TranscriptHash = [],
            SessionId = new byte[16],
            Version = 2,
            Key = new KeyRecord(),
            Suite = null!,
            Quote = new Quote(),
            SignedQuote = new SignedQuote(),
            QuoteDigest = [],
            EvidenceBundle = [],
            KeyEpoch = 1,
            KeySetDigest = [],
        };

        // A usage of two gigabytes, with an unknown field of one in it.
        SignedReceipt receipt = new() { Receipt = ByteString.CopyFrom(Convert.FromHexString("12ffffffff077a8080808004")) };
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exception? fault = Assert.Catch(() => ReceiptFile.Create(enclave, "", receipt, new SignedSettlement(), paid: null));
        Assert.That(ProtobufFault.IsMalformed(fault!), Is.True);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }
}
