using Cocoon.Enclave;
using Cocoon.Enclave.Attestation;
using Cocoon.Node.Enclaves;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Tests.Enclave.Sessions;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Attestation;

/// <summary>The rules are the enclave's own: its host can choose among few things, each of which shows, and has no other word in them.</summary>
public sealed class EnclaveRulesTests
{
    private static readonly Protections s_protections = new()
    {
        Items = { EnclavePolicy.RequiredProtections.Select(name => new Protections.Types.Protection { Name = name, State = "on", Detail = "pid 17" }) },
    };

    [Test]
    public async Task Digest_OfTwoBootsForTwoPeers_IsTheSame()
    {
        await using EnclavePair one = await EnclavePair.StartAsync(), other = await EnclavePair.StartAsync();
        (EnclaveBinding first, EnclaveBinding second) = (Binding(one), Binding(other));
        Assert.That(first.PeerId, Is.Not.EqualTo(second.PeerId));
        Assert.That(first.PolicyDigest, Is.EqualTo(second.PolicyDigest).And.Not.All.Zero);
        await using ClientSession client = await one.OpenAsync(), fresh = await one.OpenAsync(fresh: true);
        Assert.That(client.Enclave.Claims.EnclavePolicy!.Protections["seccomp"], Is.EqualTo("off"), "what this stand-in for a process reported");
        Assert.That(client.Enclave.Claims.PolicyDigest, Is.EqualTo(first.PolicyDigest));
        Assert.That(fresh.Enclave.Claims.PolicyDigest, Is.EqualTo(first.PolicyDigest), "also in evidence made for one client");
    }

    [Test]
    public void Digest_OfWhatTheHostCanChange_IsAnotherEachTime()
    {
        Protections withoutFilter = s_protections.Clone();
        withoutFilter.Items.Single(i => i.Name == "seccomp").State = "off";
        Protections otherDetail = s_protections.Clone();
        otherDetail.Items[0].Detail = "pid 18";
        byte[][] digests =
        [
            Digest(), Digest(allowUnprotected: true), Digest(isUpstream: true), Digest(protections: withoutFilter), Digest(suites: [HpkeSuite.A]), Digest(suites: [HpkeSuite.B]),
        ];
        Assert.That(digests.Select(Convert.ToHexString), Is.Unique);
        Assert.That(Digest(protections: otherDetail), Is.EqualTo(digests[0]), "numbers of this boot are no rules");
    }

    /// <summary>The message had a place for a digest and a block of the host's choice.</summary>
    [Test]
    public async Task Host_ThatNamesADigestOfItsOwn_IsNotHeard()
    {
        await using EnclavePair pair = EnclavePair.Create();
        await pair.ConfigureAsync(configure => Configure.Parser.ParseFrom([.. configure.ToByteArray(), .. Field(8, new byte[32]), .. Field(11, new byte[32])]));
        Ready ready = await pair.Connection.Ready.WaitAsync(EnclavePair.Patience);
        await using EnclavePair honest = await EnclavePair.StartAsync();
        Assert.That(Binding(ready).PolicyDigest, Is.EqualTo(Binding(honest).PolicyDigest));
    }

    /// <summary>The rules say 64: a client that would not look is kept from being counted all the same.</summary>
    [TestCase(0u)]
    [TestCase(63u)]
    public async Task Quote_OfFinerUnitsThanTheRulesAllow_IsRefusedByTheEnclave(uint unit)
    {
        await using EnclavePair pair = await EnclavePair.StartAsync();
        Assert.That(
            async () => await pair.OpenAsync(unit), Throws.InstanceOf<EnclaveException>().With.Message.EndsWith(": " + SessionReasons.Malformed));
        await using ClientSession allowed = await pair.OpenAsync(ResponseShape.MinUnitTokens);
    }

    private static EnclaveBinding Binding(EnclavePair pair) => Binding(pair.Ready);

    private static EnclaveBinding Binding(Ready ready) => EnclaveBinding.Decode(EvidenceBundle.Decode(ready.EvidenceBundle.Span).Binding.AsSpan());

    private static byte[] Digest(bool allowUnprotected = false, bool isUpstream = false, Protections? protections = null, HpkeSuite[]? suites = null)
    {
        EnclaveHostOptions options = new()
        {
            Protection = new NoProtection(),
            LoadEngine = (_, _, _, _) => Task.FromResult<Cocoon.Enclave.Inference.IInferenceEngine>(new FakeEngine()),
            AllowUnprotected = allowUnprotected,
            Suites = suites ?? HpkeSuite.Offered,
        };
        return EnclavePolicy.Digest(EnclaveRules.Of(options, isUpstream, protections ?? s_protections).Encode());
    }

    private static byte[] Field(int number, byte[] value) => [(byte)((number << 3) | 2), (byte)value.Length, .. value];
}
