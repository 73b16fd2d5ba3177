using Cocoon.Node.Discovery;
using Cocoon.Node.Payments;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

internal sealed class PayHandlerTests
{
    [Test]
    public async Task State_SignedByThePayKey_ShowsTheOwnLastVoucher()
    {
        await using ProviderFixture fixture = new();
        await using MemoryNetwork network = new();
        MemoryHost provider = network.AddHost(), client = network.AddHost();
        network.IntroduceAll();
        ProviderChannel channel = await fixture.AcceptAsync();
        VoucherMessage voucher = fixture.Voucher(channel.Channel, 5_000);
        await channel.AcceptVoucherAsync(voucher, CancellationToken.None);
        Handler(fixture, provider.LocalPeer).Register(provider);
        PayClient asking = new(new DirectStreams(client), new OfferBook(fixture.Time), fixture.Time);

        PayResponse answer = await asking.GetStateAsync(provider.LocalPeer, channel.Channel, fixture.PayKey, CancellationToken.None);
        Assert.That((answer.State.Voucher.Statement, answer.State.Closing), Is.EqualTo((voucher.Statement, false)));
        using Ed25519PrivateKey stranger = Ed25519PrivateKey.Generate();
        PayResponse refused = await asking.GetStateAsync(provider.LocalPeer, channel.Channel, stranger, CancellationToken.None);
        Assert.That(refused.Refused.Reason, Is.EqualTo(PayRefused.Types.Reason.BadSignature));
        PayResponse unknown = await asking.GetStateAsync(provider.LocalPeer, ProviderFixture.Hash(3), fixture.PayKey, CancellationToken.None);
        Assert.That(unknown.Refused.Reason, Is.EqualTo(PayRefused.Types.Reason.UnknownChannel));
    }

    /// <summary>As after the provider's restart at another address: nobody was connected to it there yet.</summary>
    [Test]
    public async Task Ask_OfAProviderKnownByItsOfferAlone_GoesWhereTheOfferSays()
    {
        await using ProviderFixture fixture = new();
        await using MemoryNetwork network = new();
        using TestOffers offers = new(fixture.Time.GetUtcNow());
        MemoryHost provider = network.AddHost(offers.Key), client = network.AddHost();
        Handler(fixture, provider.LocalPeer).Register(provider);
        OfferBook book = new(fixture.Time);
        PayClient asking = new(new DirectStreams(client), book, fixture.Time);
        Assert.That(
            async () => await asking.GetStateAsync(provider.LocalPeer, ProviderFixture.Hash(3), fixture.PayKey, CancellationToken.None), Throws.InstanceOf<IOException>());

        foreach ((ulong sequence, MemoryHost at) in new[] { (1UL, client), (2UL, provider) })
        {
            Offer offer = offers.Create(sequence);
            offer.IssuedAtMs += sequence;
            offer.Addresses.Add(ByteString.CopyFrom(at.Address.Bytes));
            Assert.That(book.Add(offers.Sign(offer)), Is.EqualTo(OfferRejection.None));
        }

        PayResponse answer = await asking.GetStateAsync(provider.LocalPeer, ProviderFixture.Hash(3), fixture.PayKey, CancellationToken.None);
        Assert.That(answer.Refused.Reason, Is.EqualTo(PayRefused.Types.Reason.UnknownChannel));
    }

    [Test]
    public async Task State_OldOrForAnotherProvider_IsRefused()
    {
        await using ProviderFixture fixture = new();
        using Ed25519PrivateKey self = Ed25519PrivateKey.Generate(), other = Ed25519PrivateKey.Generate();
        PeerId peer = PeerId.FromPublicKey(self.PublicKey), otherPeer = PeerId.FromPublicKey(other.PublicKey);
        ProviderChannel channel = await fixture.AcceptAsync();
        PayHandler handler = Handler(fixture, peer);
        ulong now = (ulong)fixture.Time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach ((PeerId asked, ulong time) in new[] { (otherPeer, now), (peer, now - 301_000), (peer, now + 301_000), (peer, ulong.MaxValue) })
        {
            PayRequest request = new()
            {
                State = new ChannelStateRequest
                {
                    Channel = ByteString.CopyFrom(channel.Channel.ToArray()),
                    TimeMs = time,
                    Signature = ByteString.CopyFrom(fixture.PayKey.Sign(PayProtocol.StateChallenge(channel.Channel, asked, time))),
                },
            };
            PayResponse answer = await handler.AnswerAsync(request, CancellationToken.None);
            Assert.That(answer.Refused?.Reason, Is.EqualTo(PayRefused.Types.Reason.BadSignature));
        }
    }

    [Test]
    public async Task Close_WithNothingLive_AcksOnceAndTheFlagSurvivesARestart()
    {
        await using ProviderFixture fixture = new();
        using Ed25519PrivateKey self = Ed25519PrivateKey.Generate();
        PeerId peer = PeerId.FromPublicKey(self.PublicKey);
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 4_000), CancellationToken.None);
        Assert.That(channel.TryReserveSession(new SessionId(1), 1_000), Is.InstanceOf<ReservationOutcome.Reserved>());
        PayHandler handler = Handler(fixture, peer);

        PayResponse live = await handler.AnswerAsync(Close(channel, fixture.Voucher(channel.Channel, 4_000)), CancellationToken.None);
        Assert.That(live.Refused.Reason, Is.EqualTo(PayRefused.Types.Reason.SessionLive));
        await channel.EndSessionAsync(new SessionId(1), 4_500, CancellationToken.None);
        PayResponse below = await handler.AnswerAsync(Close(channel, fixture.Voucher(channel.Channel, 4_000)), CancellationToken.None);
        Assert.That((below.Refused.Reason, below.Refused.DueNanoton), Is.EqualTo((PayRefused.Types.Reason.BelowDue, 4_500UL)));

        PayResponse agreed = await handler.AnswerAsync(Close(channel, fixture.Voucher(channel.Channel, 4_500)), CancellationToken.None);
        CloseAckStatement ack = new(channel.Channel, 4_500);
        Assert.That(agreed.Close.AckStatement.ToByteArray(), Is.EqualTo(ack.ToBytes()));
        Assert.That(ack.Verify(fixture.Identity.ProviderKey.PublicKey, agreed.Close.AckSignature.Span), Is.True);

        await fixture.RestartAsync();
        ProviderChannel again = fixture.Ledger.Find(channel.Channel)!;
        Assert.That((again.Record.Closing, again.Record.AckTotal), Is.EqualTo((true, (ulong?)4_500)));
        Assert.That(await again.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 4_501), CancellationToken.None), Is.InstanceOf<VoucherOutcome.Refused>());
        PayResponse repeated = await Handler(fixture, peer).AnswerAsync(Close(again, fixture.Voucher(channel.Channel, 4_500)), CancellationToken.None);
        Assert.That(repeated.Close?.AckSignature, Is.EqualTo(agreed.Close.AckSignature), "the client may have lost the first");
    }

    [Test]
    public async Task Close_AfterARestart_NeedsNoReadingOfTheChainForWhatIsHeld()
    {
        await using ProviderFixture fixture = new();
        using Ed25519PrivateKey self = Ed25519PrivateKey.Generate();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 4_000), CancellationToken.None);

        await fixture.RestartAsync();
        fixture.Chain.Unreachable = true;
        ProviderChannel again = fixture.Ledger.Find(channel.Channel)!;
        PayResponse agreed = await Handler(fixture, PeerId.FromPublicKey(self.PublicKey))
            .AnswerAsync(Close(again, fixture.Voucher(channel.Channel, 4_000, nonce: 2)), CancellationToken.None);
        Assert.That(agreed.Close, Is.Not.Null, agreed.Refused?.Detail);
    }

    [Test]
    public async Task Close_WithAVoucherThatAClaimPublished_IsRefused()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        VoucherMessage published = fixture.Voucher(channel.Channel, 4_000);
        await channel.AcceptVoucherAsync(published, CancellationToken.None);
        ChannelAccount account = fixture.Chain.Accounts[channel.Channel];
        fixture.Chain.Accounts[channel.Channel] = account with { State = account.State! with { Claimed = 4_000 } };
        await fixture.Ledger.RefreshAsync(channel, CancellationToken.None);
        using Ed25519PrivateKey self = Ed25519PrivateKey.Generate();
        PayHandler handler = Handler(fixture, PeerId.FromPublicKey(self.PublicKey));

        PayResponse stranger = await handler.AnswerAsync(Close(channel, published), CancellationToken.None);
        Assert.That(stranger.Refused?.Reason, Is.EqualTo(PayRefused.Types.Reason.BadSignature));
        Assert.That(channel.Record.Closing, Is.False, "anybody who reads the chain could freeze the channel");
        PayResponse client = await handler.AnswerAsync(Close(channel, fixture.Voucher(channel.Channel, 4_000, nonce: 2)), CancellationToken.None);
        Assert.That(client.Close, Is.Not.Null);
    }

    [Test]
    public async Task Stream_OfHostileBytes_EndsInAProtocolErrorOrARefusal()
    {
        await using ProviderFixture fixture = new();
        await using MemoryNetwork network = new();
        MemoryHost provider = network.AddHost(), client = network.AddHost();
        network.IntroduceAll();
        Handler(fixture, provider.LocalPeer).Register(provider);
        await using (IPeerStream stream = await client.OpenStreamAsync(provider.LocalPeer, [PayProtocol.Id], CancellationToken.None))
        {
            await stream.WriteAsync(new byte[] { 0x81, 0x80, 0x04 }, CancellationToken.None);
            Assert.That(async () => await stream.ReadAsync(new byte[16], CancellationToken.None), Throws.InstanceOf<IOException>(), "64 KiB + 1");
        }

        PayHandler handler = Handler(fixture, provider.LocalPeer);
        ProviderChannel channel = await fixture.AcceptAsync();
        string sample = Convert.ToHexString(Close(channel, fixture.Voucher(channel.Channel, 10)).ToByteArray());
        Hostile.Bytes(
            256,
            bytes =>
            {
                try
                {
                    PayRequest request = LengthPrefixed.Parse(PayRequest.Parser, bytes);
                    _ = handler.AnswerAsync(request, CancellationToken.None).GetAwaiter().GetResult();
                }
                catch (Libp2pException)
                {
                    // The one answer to bytes that are no message.
                }
            },
            sample);
    }

    private static PayHandler Handler(ProviderFixture fixture, PeerId self) => new(fixture.Ledger, self, fixture.Time, NullLogger<PayHandler>.Instance);

    private static PayRequest Close(ProviderChannel channel, VoucherMessage voucher) =>
        new() { Close = new CloseRequest { Channel = ByteString.CopyFrom(channel.Channel.ToArray()), Voucher = voucher } };
}
