using Cocoon.Node.Payments;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Payments.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

/// <summary>A provider says that a good channel is closing: to lock deposits up and to use the hour's openings, if it were believed.</summary>
internal sealed class ClosingRefusalTests
{
    [Test]
    public async Task ConfirmClosingAsync_OnTheProvidersWordAlone_GivesNothingUpAndThenEndsTheChannelAlone()
    {
        await using ClientFixture client = new();
        for (int i = 1; i < ClientChannels.MaxRefusals; i++)
        {
            Assert.That(await client.Closer.ConfirmClosingAsync(client.Channel, CancellationToken.None), Is.False);
            Assert.That(client.Channel.Phase, Is.EqualTo(ChannelPhase.Open));
        }

        Assert.That(await client.Closer.ConfirmClosingAsync(client.Channel, CancellationToken.None), Is.False);
        Assert.That(client.Channel.Phase, Is.EqualTo(ChannelPhase.Closing));
        PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(
            () => client.Channels.GetOrOpenAsync(client.Terms, need: 1, CancellationToken.None), "no second deposit for a provider that turns the first away");
        Assert.That((refused!.Code, client.Channels.Channels.Count), Is.EqualTo((PaymentErrorCode.Provider, 1)));

        client.OnSend = client.ShowClosing;
        client.Chain.Now = client.Channel.Record.OpenBefore + 1;
        await client.Keeper.TendAsync(CancellationToken.None);
        Assert.That(client.Sent, Is.EqualTo(new[] { $"start-close:{client.Channel.Channel}" }));
        Assert.That(client.Channel.Record.CloseAt, Is.Not.Zero);
    }

    [Test]
    public async Task TendAsync_ARetiredChannelWhoseProviderNeverAgrees_IsClosedAloneAfterAFewTries()
    {
        await using ClientFixture client = new();
        client.OnSend = client.ShowClosing;
        client.OnClose = _ => new PayResponse { Refused = new PayRefused { Reason = PayRefused.Types.Reason.SessionLive } };
        await ClientChannels.RetireAsync(client.Channel, CancellationToken.None);
        client.Chain.Now = client.Channel.Record.OpenBefore + 1;
        for (int i = 0; i < ClientChannels.MaxRefusals; i++)
        {
            await client.Keeper.TendAsync(CancellationToken.None);
            Assert.That(client.Sent, Is.Empty);
        }

        await client.Keeper.TendAsync(CancellationToken.None);
        Assert.That(client.Sent, Is.EqualTo(new[] { $"start-close:{client.Channel.Channel}" }));
    }

    [Test]
    public async Task ConfirmClosingAsync_TheChainShowsIt_IsBelieved()
    {
        await using ClientFixture client = new();
        client.ShowClosing();
        Assert.That(await client.Closer.ConfirmClosingAsync(client.Channel, CancellationToken.None), Is.True);
        Assert.That((client.Channel.Phase, client.Channel.Refusals), Is.EqualTo((ChannelPhase.Closing, 0)));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task ConfirmClosingAsync_TheProviderRepeatsItsConsent_IsBelievedWhenItsKeySigned(bool signed)
    {
        await using ClientFixture client = new();
        client.OnClose = voucher =>
        {
            Assert.That(VoucherStatement.TryDecode(voucher.Statement.Span, out VoucherStatement statement), Is.True);
            CloseAckStatement ack = new(statement.Channel, statement.Total);
            using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
            return new PayResponse
            {
                Close = new CloseResponse
                {
                    AckStatement = ByteString.CopyFrom(ack.ToBytes()), AckSignature = ByteString.CopyFrom(ack.Sign(signed ? client.Provider : other)),
                },
            };
        };
        Assert.That(await client.Closer.ConfirmClosingAsync(client.Channel, CancellationToken.None), Is.EqualTo(signed));
        Assert.That(client.Channel.Record.CloseAck is not null, Is.EqualTo(signed), "the deposit can be fetched at once");
        Assert.That(client.Channel.Phase, Is.EqualTo(signed ? ChannelPhase.Closing : ChannelPhase.Open));
    }
}
