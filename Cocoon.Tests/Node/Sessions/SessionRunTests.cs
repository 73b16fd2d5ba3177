using System.Security.Cryptography;
using Cocoon.Node.Payments;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Node.Payments;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Protocol.Attestation;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Sessions;

/// <summary>A client against a provider that welcomes it well and then misbehaves.</summary>
internal sealed class SessionRunTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(60);

    [Test]
    public async Task RunAsync_Declined_LeavesTheChannelFreeAndTheVoucherAsCredit()
    {
        await using ClientChannelTests.Fixture fixture = new();
        ulong vouched = 0;
        for (int i = 0; i < 3; i++)
        {
            InferenceException? declined = await AskAsync(fixture, static async (link, _, ct) =>
                await link.WriteAsync(ProviderSession.Declined(DeclineReason.DeclineSlots, "full", 0), ct));
            Assert.That(declined!.Failure, Is.EqualTo(InferenceFailure.Overloaded));
            Assert.That(fixture.Channel.HasLiveSessions, Is.False, "a channel with a live session can never be closed");
            vouched = vouched == 0 ? fixture.Channel.HighestTotal : vouched;
            Assert.That(fixture.Channel.HighestTotal, Is.EqualTo(vouched).And.GreaterThan(0UL), "each decline would cost one more step");
        }

        Assert.That(fixture.Channel.Record.Due, Is.Zero);
        await Assert.ThrowsAsync<PaymentException>(
            () => fixture.Channel.ReconcileAsync(vouched, 1, asking: null, CancellationToken.None), "what was declined costs nothing");
    }

    [Test]
    public async Task RunAsync_LostBeforeItWasAccepted_LeavesTheChannelFreeAndOwesAtMostItsShare()
    {
        await using ClientChannelTests.Fixture fixture = new();
        InferenceException? lost = await AskAsync(fixture, static (link, _, _) =>
        {
            link.Stream.Reset();
            return Task.CompletedTask;
        });
        Assert.That((lost!.Failure, fixture.Channel.HasLiveSessions), Is.EqualTo((InferenceFailure.ProviderLost, false)));
        ulong vouched = fixture.Channel.HighestTotal;
        await fixture.Channel.ReconcileAsync(vouched, vouched, asking: null, CancellationToken.None);
        Assert.That(fixture.Channel.Record.Due, Is.EqualTo(vouched));
    }

    private static async Task<InferenceException?> AskAsync(
        ClientChannelTests.Fixture fixture, Func<SessionLink, Request, CancellationToken, Task> misbehave)
    {
        using CancellationTokenSource guard = new(Guard);
        using TemporaryDirectory directory = new();
        using DataDirectory data = DataDirectory.Open(directory.File("client"));
        await using MemoryNetwork network = new();
        MemoryHost provider = network.AddHost(), client = network.AddHost();
        network.IntroduceAll();
        using TestOffers offers = new(fixture.Time.GetUtcNow());
        Offer offer = offers.Create();
        offer.ModelId = ByteString.CopyFrom(EvidenceSamples.Model.ToArray());
        offer.Prices = new Prices { Prompt = 1_000_000, Cached = 1_000_000, Completion = 1_000_000 };
        VerifiedOffer signed = OfferWriter.Sign(offer, provider.LocalPeer, provider.Key);
        provider.Handle(SessionLink.ProtocolId, async (stream, ct) =>
        {
            using SessionLink link = new(stream);
            (ClientMessage Message, byte[] Bytes)? hello = await link.ReadClientMessageAsync(SessionLink.MaxHello, ct);
            await link.WriteAsync(new ProviderMessage { Welcome = Welcome(hello!.Value.Message.Hello, hello.Value.Bytes, signed, provider, fixture.Time) }, ct);
            (ClientMessage Message, byte[] Bytes)? request = await link.ReadClientMessageAsync(SessionLink.MaxMessage, ct);
            await misbehave(link, request!.Value.Message.Request, ct);
        });
        await using OpenedSession session = await OpenedSession.OpenAsync(
            new DirectStreams(client),
            signed,
            relays: 0,
            new WelcomeVerifier(new AppraisalCache(EvidenceAppraiser.Standard), new KnownEvidence(), fixture.Time),
            AppraisalPolicy.Default with { AllowSimulated = true },
            knownEvidence: null,
            fixture.Time,
            guard.Token);
        Ask ask = new(
            SealedRequest.Types.Endpoint.ChatCompletions, "test-model", "{}"u8.ToArray(), MaxTokens: 100, Messages: 1, Shape.Fast, AllowOpenTier: true, Provider: null,
            RandomNumberGenerator.GetBytes(32));
        SessionRun run = new(
            session, fixture.Channel, fixture.Channel.BeginSession(SessionId.From(session.Enclave.SessionId)), ask, new ReceiptStore(data), fixture.Time);
        return await Assert.ThrowsAsync<InferenceException>(async () =>
        {
            await foreach (AnswerPart part in run.RunAsync(guard.Token))
            {
                Assert.Fail($"{part} from a provider that gave nothing");
            }
        });
    }

    private static Welcome Welcome(Hello hello, byte[] message, VerifiedOffer offer, MemoryHost provider, TimeProvider time)
    {
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        using IKemPrivateKey hpke = X25519Kem.Instance.Generate();
        DateTimeOffset now = time.GetUtcNow();
        KeyRecord key = new()
        {
            KeyId = ByteString.CopyFrom(1, 2, 3, 4, 5, 6, 7, 8),
            Kem = 0x20,
            Kdf = 1,
            Aead = 3,
            PublicKey = ByteString.CopyFrom(hpke.PublicKey),
            NotBeforeMs = (ulong)now.ToUnixTimeMilliseconds(),
            NotAfterMs = (ulong)now.AddHours(1).ToUnixTimeMilliseconds(),
            Epoch = 1,
        };
        WelcomeBody body = new()
        {
            Version = 1,
            Bundle = ByteString.CopyFrom(EvidenceSamples.Bundle(EvidenceSamples.Binding(provider.LocalPeer, identity), now).Encode()),
            Keys = { SignedRecords.SignKey(identity, key) },
            Quote = new QuoteIssuer(provider.Key, time).Issue(offer, hello, creditNanoton: 0),
        };
        ByteString bytes = body.ToByteString();
        byte[] transcript = SessionTranscript.Hash(SessionLink.OnlyField(message, number: 1)!, bytes.Span);
        return new Welcome { Body = bytes, Signature = ByteString.CopyFrom(SessionTranscript.Sign(identity, transcript)) };
    }
}
