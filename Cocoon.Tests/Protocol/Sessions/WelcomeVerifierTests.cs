using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Sessions;

public sealed class WelcomeVerifierTests
{
    private static readonly AppraisalPolicy Policy = AppraisalPolicy.Default with { Id = "test", AllowSimulated = true };

    private ManualTimeProvider _time = null!;
    private PeerId _peer = null!;
    private Ed25519PrivateKey _peerKey = null!;
    private Ed25519PrivateKey _identity = null!;
    private KnownEvidence _known = null!;
    private Hello _hello = null!;
    private Quote _quote = null!;
    private KeyRecord _key = null!;
    private byte[] _bundle = null!;
    private string _offerTier = "open";

    [SetUp]
    public void SetUp()
    {
        _time = new ManualTimeProvider();
        _offerTier = "open";
        _known = new KnownEvidence();
        _peer = EvidenceSamples.Peer(out _peerKey);
        _identity = Ed25519PrivateKey.Generate();
        using IKemPrivateKey hpke = X25519Kem.Instance.Generate();
        _bundle = EvidenceSamples.Bundle(EvidenceSamples.Binding(_peer, _identity), _time.GetUtcNow()).Encode();
        _hello = new Hello
        {
            Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)),
            Versions = { 1 },
            ModelId = ByteString.CopyFrom(EvidenceSamples.Model.ToArray()),
            OfferDigest = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)),
        };
        _quote = new Quote
        {
            OfferDigest = _hello.OfferDigest,
            HelloNonce = _hello.Nonce,
            Prices = new Prices { Prompt = 10, Cached = 1, Completion = 30 },
            UnitTokens = 64,
            StepNanoton = 1,
            NotAfterMs = Ms(60),
        };
        _key = new KeyRecord
        {
            KeyId = ByteString.CopyFrom(1, 2, 3, 4, 5, 6, 7, 8),
            Kem = 0x20,
            Kdf = 1,
            Aead = 3,
            PublicKey = ByteString.CopyFrom(hpke.PublicKey),
            NotBeforeMs = Ms(0),
            NotAfterMs = Ms(3600),
            Epoch = 1,
        };
    }

    [TearDown]
    public void TearDown()
    {
        _peerKey.Dispose();
        _identity.Dispose();
    }

    [Test]
    public void Verify_GoodWelcome_IsAccepted()
    {
        WelcomeResult result = Verify(Compose());
        Assert.That(result.IsAccepted, string.Join(' ', result.Reasons));
        Assert.That(result.Enclave!.SessionId, Has.Length.EqualTo(16));
        Assert.That(result.Enclave.Quote, Is.EqualTo(_quote));
        Assert.That(_known.Contains(result.Attestation!.EvidenceDigest.AsSpan()));
    }

    [Test]
    public void Verify_BundleByDigest_NeedsThatItIsKnownAndNamed()
    {
        byte[] digest = EvidenceBundle.Digest(_bundle);
        WelcomeBody Body() => new() { BundleDigest = ByteString.CopyFrom(digest) };
        Assert.That(Verify(Compose(Body())).Reasons, Is.EqualTo(new[] { ReasonWords.BundleUnknown }));
        _known.Add(digest, _bundle);
        Assert.That(Verify(Compose(Body())).Reasons, Is.EqualTo(new[] { ReasonWords.BundleUnknown }));
        _hello.KnownEvidence.Add(ByteString.CopyFrom(digest));
        Assert.That(Verify(Compose(Body())).IsAccepted);
    }

    [Test]
    public void Verify_DefaultPolicy_RefusesSimulated() =>
        Assert.That(Verify(Compose(), AppraisalPolicy.Default).Reasons, Is.EqualTo(new[] { ReasonWords.PolicySimulated }));

    /// <summary>What is refused can be looked at; an enclave that is not alive shows nothing.</summary>
    [Test]
    public void Verify_RefusedEvidence_IsHandedOverWhenNothingElseIsWrong()
    {
        AppraisalPolicy pinned = Policy with { EnclavePolicies = [new string('0', 64)] };
        WelcomeResult refused = Verify(Compose(), pinned);
        Assert.That(refused.Reasons, Is.EqualTo(new[] { ReasonWords.PolicyEnclavePolicy }));
        Assert.That(refused.RefusedBundle, Is.EqualTo(_bundle));
        Welcome dead = Compose();
        dead.Signature = ByteString.CopyFrom(new byte[64]);
        Assert.That(Verify(dead, pinned).RefusedBundle, Is.Null);
        Assert.That(Verify(Compose()).RefusedBundle, Is.Null);
    }

    [Test]
    public void Verify_AnotherVersionOrNoMessage_IsNamed()
    {
        Welcome unreadable = Compose();
        unreadable.Body = ByteString.CopyFrom(0xFF, 0xFF);
        Assert.That(Verify(unreadable).Reasons, Is.EqualTo(new[] { ReasonWords.WelcomeMalformed }));
        Welcome later = Compose();
        WelcomeBody body = WelcomeBody.Parser.ParseFrom(later.Body);
        body.Version = 2;
        later.Body = body.ToByteString();
        Assert.That(Verify(later).Reasons, Is.EqualTo(new[] { ReasonWords.WelcomeVersion }));
    }

    [Test]
    public void Verify_LivenessOfAnotherTranscript_IsRefused()
    {
        Welcome first = Compose();
        _hello.Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32));
        _quote.HelloNonce = _hello.Nonce;
        Welcome second = Compose();
        second.Signature = first.Signature;
        Assert.That(Verify(second).Reasons, Is.EqualTo(new[] { ReasonWords.WelcomeLiveness }));
    }

    [Test]
    public void Verify_KeyRecordOfAnotherIdentity_IsRefused()
    {
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        WelcomeBody body = new() { Bundle = ByteString.CopyFrom(_bundle), Keys = { SignedRecords.SignKey(other, _key) } };
        Assert.That(Verify(Compose(body)).Reasons, Is.EqualTo(new[] { ReasonWords.WelcomeKeySignature }));
    }

    [Test]
    public void Verify_NoUsableKey_IsRefused()
    {
        _key.NotAfterMs = Ms(0);
        Assert.That(Verify(Compose()).Reasons, Is.EqualTo(new[] { ReasonWords.WelcomeKeyUnusable }));
        _key.NotAfterMs = Ms(100);
        _key.Aead = 1;
        Assert.That(Verify(Compose()).Reasons, Is.EqualTo(new[] { ReasonWords.WelcomeKeyUnusable }));
    }

    [Test]
    public void Verify_TwoKeys_TakesTheNewest()
    {
        KeyRecord newer = _key.Clone();
        newer.Epoch = 2;
        newer.KeyId = ByteString.CopyFrom(9, 9, 9, 9, 9, 9, 9, 9);
        WelcomeBody body = new()
        {
            Bundle = ByteString.CopyFrom(_bundle),
            Keys = { SignedRecords.SignKey(_identity, _key), SignedRecords.SignKey(_identity, newer) },
        };
        Assert.That(Verify(Compose(body)).Enclave!.Key, Is.EqualTo(newer));
    }

    [TestCase("cc-cpu"), TestCase("cc-gpu")]
    public void Verify_OfferThatClaimedMoreThanTheEvidenceGives_IsRefused(string tier)
    {
        _offerTier = tier;
        Assert.That(Verify(Compose()).Reasons, Is.EqualTo(new[] { ReasonWords.OfferTier }));
    }

    [Test]
    public void Verify_HybridKeyBesideAClassicOne_IsTaken()
    {
        using IKemPrivateKey hybrid = HpkeSuite.C!.Kem.Generate();
        NameInEvidence(hybrid);
        KeyRecord second = Hybrid(hybrid);
        WelcomeBody body = new() { Bundle = ByteString.CopyFrom(_bundle), Keys = { SignedRecords.SignKey(_identity, _key), SignedRecords.SignKey(_identity, second) } };
        Assert.That(Verify(Compose(body)).Enclave!.Key, Is.EqualTo(second));
    }

    [Test]
    public void Verify_PostQuantumRequired_ClassicKeysAreRefused()
    {
        AppraisalPolicy strict = Policy with { Id = "pq", RequirePostQuantum = true };
        Assert.That(Verify(Compose(), strict).Reasons, Is.EqualTo(new[] { ReasonWords.PolicyPostQuantum }));
        using IKemPrivateKey hybrid = HpkeSuite.C!.Kem.Generate();
        NameInEvidence(hybrid);
        _key = Hybrid(hybrid);
        Assert.That(Verify(Compose(), strict).IsAccepted);
    }

    /// <summary>Signed by the identity or not: what is negotiated stands in the evidence.</summary>
    [TestCase(XWingKem.KemId, 3u)]
    [TestCase(X25519Kem.KemId, 2u)]
    public void Verify_KeyOfASuiteThatTheEvidenceDoesNotName_IsNotUsed(ushort kem, uint aead)
    {
        using IKemPrivateKey other = HpkeSuite.Accepted.First(s => s.Kem.Id == kem).Kem.Generate();
        KeyRecord unnamed = Hybrid(other);
        (unnamed.Kem, unnamed.Aead, unnamed.Epoch) = (kem, aead, 9);
        WelcomeBody body = new() { Bundle = ByteString.CopyFrom(_bundle), Keys = { SignedRecords.SignKey(_identity, unnamed), SignedRecords.SignKey(_identity, _key) } };
        Assert.That(Verify(Compose(body)).Enclave!.Key, Is.EqualTo(_key), "the newer one is passed over");
        _key = unnamed;
        Assert.That(Verify(Compose()).Reasons, Is.EqualTo(new[] { ReasonWords.WelcomeKeyUnusable }));
    }

    [Test]
    public void Verify_EvidenceNamesAHybridKey_AWelcomeWithoutOneIsADowngrade()
    {
        using IKemPrivateKey hybrid = HpkeSuite.C!.Kem.Generate();
        NameInEvidence(hybrid);
        Assert.That(Verify(Compose()).Reasons, Is.EqualTo(new[] { ReasonWords.WelcomeDowngrade }));
    }

    [Test]
    public void Verify_FreshEvidenceAskedFor_OnlyEvidenceForThisNonceWillDo()
    {
        AppraisalPolicy strict = Policy with { Id = "fresh", RequireFreshEvidence = true };
        _hello.FreshEvidence = true;
        Assert.That(Verify(Compose(), strict).Reasons, Is.EqualTo(new[] { ReasonWords.ChallengeMismatch }));
        EnclaveBinding binding = EvidenceSamples.Binding(_peer, _identity) with { Challenge = [.. SessionTranscript.Challenge(_hello.Nonce.Span)] };
        _bundle = EvidenceSamples.Bundle(binding, _time.GetUtcNow()).Encode();
        Assert.That(Verify(Compose(), strict).IsAccepted);
        _hello.Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32));
        _quote.HelloNonce = _hello.Nonce;
        Assert.That(Verify(Compose(), strict).Reasons, Is.EqualTo(new[] { ReasonWords.ChallengeMismatch }), "replayed to another session");
    }

    [TestCase(ReasonWords.QuoteNonce)]
    [TestCase(ReasonWords.QuoteOffer)]
    [TestCase(ReasonWords.QuoteExpired)]
    [TestCase(ReasonWords.QuoteTooLong)]
    [TestCase(ReasonWords.QuoteDearer)]
    [TestCase(ReasonWords.QuoteStep)]
    [TestCase(ReasonWords.QuoteUnit)]
    [TestCase(ReasonWords.QuoteMalformed)]
    public void Verify_QuoteWithAFlaw_IsRefusedByItsWord(string word)
    {
        switch (word)
        {
            case ReasonWords.QuoteNonce:
                _quote.HelloNonce = ByteString.CopyFrom(new byte[32]);
                break;
            case ReasonWords.QuoteOffer:
                _quote.OfferDigest = ByteString.CopyFrom(new byte[32]);
                break;
            case ReasonWords.QuoteExpired:
                _quote.NotAfterMs = Ms(0);
                break;
            case ReasonWords.QuoteTooLong:
                _quote.NotAfterMs = Ms(3600);
                break;
            case ReasonWords.QuoteDearer:
                _quote.Prices.Completion = 31;
                break;
            case ReasonWords.QuoteStep:
                _quote.StepNanoton = 2;
                break;
            case ReasonWords.QuoteUnit:
                _quote.UnitTokens = 63;
                break;
            default:
                _quote.Prices = null;
                break;
        }

        Assert.That(Verify(Compose()).Reasons, Is.EqualTo(new[] { word }));
    }

    [Test]
    public void Verify_QuoteSignedByAnother_IsRefused()
    {
        WelcomeBody body = new()
        {
            Bundle = ByteString.CopyFrom(_bundle),
            Keys = { SignedRecords.SignKey(_identity, _key) },
            Quote = SignedRecords.SignQuote(_identity, _quote),
        };
        Assert.That(Verify(Compose(body)).Reasons, Is.EqualTo(new[] { ReasonWords.QuoteSignature }));
    }

    [Test]
    public void Verify_HostileBody_IsAResultNeverAnException()
    {
        string body = Convert.ToHexString(Compose().Body.Span);
        Hostile.Bytes(
            900,
            bytes => Assert.That(Verify(new Welcome { Body = ByteString.CopyFrom(bytes), Signature = ByteString.CopyFrom(new byte[64]) }).IsAccepted, Is.False),
            body);
    }

    private Welcome Compose(WelcomeBody? body = null)
    {
        body ??= new WelcomeBody { Bundle = ByteString.CopyFrom(_bundle) };
        body.Version = 1;
        if (body.Keys.Count == 0)
        {
            body.Keys.Add(SignedRecords.SignKey(_identity, _key));
        }

        body.Quote ??= SignedRecords.SignQuote(_peerKey, _quote);
        ByteString bytes = body.ToByteString();
        byte[] transcript = SessionTranscript.Hash(_hello.ToByteArray(), bytes.Span);
        return new Welcome { Body = bytes, Signature = ByteString.CopyFrom(SessionTranscript.Sign(_identity, transcript)) };
    }

    private WelcomeResult Verify(Welcome welcome, AppraisalPolicy? policy = null) =>
        new WelcomeVerifier(new AppraisalCache(EvidenceAppraiser.Standard), _known, HpkeSuite.Accepted, _time).Verify(
            _hello.ToByteArray(),
            welcome,
            new WelcomeExpectation(_peer, new Prices { Prompt = 10, Cached = 1, Completion = 30 }, _offerTier, policy ?? Policy));

    private void NameInEvidence(IKemPrivateKey hybrid)
    {
        EnclaveBinding binding = EvidenceSamples.Binding(_peer, _identity);
        BoundKey bound = new(
            [9, 9, 9, 9, 9, 9, 9, 9], XWingKem.KemId, [.. hybrid.PublicKey], [new HpkeSuiteIds(LabeledKdf.HkdfSha256, HpkeAeadId.ChaCha20Poly1305)], 1);
        _bundle = EvidenceSamples.Bundle(binding with { Keys = [.. binding.Keys, bound] }, _time.GetUtcNow()).Encode();
    }

    private KeyRecord Hybrid(IKemPrivateKey key)
    {
        KeyRecord record = _key.Clone();
        record.Kem = XWingKem.KemId;
        record.KeyId = ByteString.CopyFrom(9, 9, 9, 9, 9, 9, 9, 9);
        record.PublicKey = ByteString.CopyFrom(key.PublicKey);
        return record;
    }

    private ulong Ms(int seconds) => (ulong)_time.GetUtcNow().AddSeconds(seconds).ToUnixTimeMilliseconds();
}
