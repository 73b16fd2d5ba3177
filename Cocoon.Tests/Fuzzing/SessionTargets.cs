using System.Buffers.Binary;
using System.Text;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Receipts;
using Cocoon.Protocol.Sessions;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Protocol.Sessions;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Fuzzing;

/// <summary>Sessions, the enclave's pipe, evidence, receipts and policies.</summary>
internal static class SessionTargets
{
    private static readonly DateTimeOffset Now = new(2026, 7, 1, 0, 0, 0, TimeSpan.Zero);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("sessions/sealed-request", 2000, () => Sealed(call => (call.Sealed, call.Header))),
        new("sessions/routing-header", 300, () => Sealed(call => (call.Header, call.Sealed))),
        new("attestation/evidence", 800, Evidence),
        new("attestation/binding", 400, Binding),
        FuzzTarget.Of<FormatException>("attestation/policy-file", 300, bytes => AppraisalPolicyFile.Parse(bytes), Encoding.UTF8.GetBytes(AppraisalPolicyFile.Format(AppraisalPolicy.Default))),
        FuzzTarget.Of("receipts/receipt-file", 300, bytes => ReceiptFile.Parse(bytes), """{"schema":1,"provider":"12D3","voucher":"AAAA"}"""u8.ToArray()),
        new("enclaves/pipe-frame", 300, Pipe),
    ];

    private static FuzzSubject Sealed(Func<SealedCall, (byte[] Fuzzed, byte[] Other)> choose)
    {
        SessionPair pair = new(new ManualTimeProvider());
        SealedCall call = pair.Seal();
        (byte[] fuzzed, byte[] other) = choose(call);
        bool isBody = fuzzed == call.Sealed;
        return new FuzzSubject(
            FuzzTarget.Catching<SessionException>(bytes =>
            {
                (byte[] header, byte[] body) = isBody ? (call.Header, bytes) : (bytes, call.Sealed);
                pair.Opener.Open(pair.Session, header, body);
                Assert.That(bytes, Is.EqualTo(fuzzed), "opened");
            }),
            fuzzed)
        {
            Owned = pair,
        };
    }

    private static FuzzSubject Evidence()
    {
        (PeerId peer, byte[] bundle, _) = Sample();
        AppraisalPolicy policy = AppraisalPolicy.Default with { Id = "test", AllowSimulated = true };
        AppraisalSubject subject = new(peer.Memory, EvidenceSamples.Model);
        return new FuzzSubject(bytes => EvidenceAppraiser.Standard.Appraise(bytes, subject, policy, Now), bundle);
    }

    private static FuzzSubject Binding() => new(
        bytes => Assert.That(!EnclaveBinding.TryDecode(bytes, out EnclaveBinding? binding) || binding.Encode().AsSpan().SequenceEqual(bytes), "one encoding only"),
        Sample().Binding);

    private static (PeerId Peer, byte[] Bundle, byte[] Binding) Sample()
    {
        PeerId peer = EvidenceSamples.Peer(out Ed25519PrivateKey peerKey);
        using (peerKey)
        {
            using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
            EnclaveBinding binding = EvidenceSamples.Binding(peer, identity);
            return (peer, EvidenceSamples.Bundle(binding, Now).Encode(), binding.Encode());
        }
    }

    private static FuzzSubject Pipe()
    {
        PipeFrameCodec.Encode(new HostFrame { StartRequest = new StartRequest { Handle = 1, Header = ByteString.CopyFrom(new byte[40]) } }, out ReadOnlyMemory<byte> good);
        return new FuzzSubject(
            FuzzTarget.Catching<PipeException>(bytes =>
            {
                // Half of the cases get past the length.
                if (bytes.Length > 4 && bytes[^1] % 2 == 0)
                {
                    BinaryPrimitives.WriteInt32BigEndian(bytes, bytes.Length - 4);
                }

                PipeFrameReader<HostFrame> reader = new(new MemoryStream(bytes), HostFrame.Parser);
                while (reader.ReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult() is not null)
                {
                }
            }),
            good.ToArray());
    }
}
