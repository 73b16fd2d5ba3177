using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

/// <summary>A provider says that a good channel is closing: to lock deposits up and to use the hour's openings, if it were believed.</summary>
internal sealed class ClosingRefusalTests
{
    private const ulong Deposit = 200_000_000;

    [Test]
    public async Task ConfirmClosingAsync_OnTheProvidersWordAlone_GivesNothingUpAndThenEndsTheChannelAlone()
    {
        await using Client client = new(_ => throw new IOException("not reached"));
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

        client.Chain.Now = client.Channel.Record.OpenBefore + 1;
        await client.Keeper.TendAsync(CancellationToken.None);
        Assert.That(client.Sent, Is.EqualTo(new[] { $"start-close:{client.Channel.Channel}" }));
        Assert.That(client.Channel.Record.CloseAt, Is.Not.Zero);
    }

    [Test]
    public async Task TendAsync_ARetiredChannelWhoseProviderNeverAgrees_IsClosedAloneAfterAFewTries()
    {
        await using Client client = new(_ => new PayResponse { Refused = new PayRefused { Reason = PayRefused.Types.Reason.SessionLive } });
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
        await using Client client = new(_ => throw new IOException("not reached"));
        client.ShowClosing();
        Assert.That(await client.Closer.ConfirmClosingAsync(client.Channel, CancellationToken.None), Is.True);
        Assert.That((client.Channel.Phase, client.Channel.Refusals), Is.EqualTo((ChannelPhase.Closing, 0)));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task ConfirmClosingAsync_TheProviderRepeatsItsConsent_IsBelievedWhenItsKeySigned(bool signed)
    {
        Client? asking = null;
        await using Client client = asking = new(voucher =>
        {
            Assert.That(VoucherStatement.TryDecode(voucher.Statement.Span, out VoucherStatement statement), Is.True);
            CloseAckStatement ack = new(statement.Channel, statement.Total);
            using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
            return new PayResponse
            {
                Close = new CloseResponse
                {
                    AckStatement = ByteString.CopyFrom(ack.ToBytes()), AckSignature = ByteString.CopyFrom(ack.Sign(signed ? asking!.Provider : other)),
                },
            };
        });
        Assert.That(await client.Closer.ConfirmClosingAsync(client.Channel, CancellationToken.None), Is.EqualTo(signed));
        Assert.That(client.Channel.Record.CloseAck is not null, Is.EqualTo(signed), "the deposit can be fetched at once");
        Assert.That(client.Channel.Phase, Is.EqualTo(signed ? ChannelPhase.Closing : ChannelPhase.Open));
    }

    /// <summary>A client with one open channel, on a chain that the test controls.</summary>
    private sealed class Client : IChainWallet, IPayClient, IAsyncDisposable
    {
        private readonly TemporaryDirectory _directory = new();
        private readonly CocoonDatabase _database;
        private readonly Func<VoucherMessage, PayResponse> _answer;
        private readonly ChannelTerms _terms;

        public Client(Func<VoucherMessage, PayResponse> answer)
        {
            _answer = answer;
            _database = CocoonDatabase.Open(_directory.File("client.db"));
            const ulong salt = 5;
            using Ed25519PrivateKey payKey = ChannelTerms.DerivePayKey(Key, Provider.PublicKey, Networks.DevnetGlobalId, salt);
            _terms = new ChannelTerms(
                Address, payKey.PublicKey, new TonAddress(0, ProviderFixture.Hash(1)), Provider.PublicKey, 3_600, Chain.Now + 60, Chain.Now + 604_800,
                Networks.DevnetGlobalId, salt);
            Chain.Open(_terms, Deposit);
            ManualTimeProvider time = new();
            ClientChannelStore store = new(_database);
            ClientChannelRecord record = ClientChannelRecord.Of(_terms, PeerId.FromPublicKey(Provider.PublicKey), Deposit, time.GetUtcNow());
            store.AddAsync(record with { State = ChannelPhase.Open }, CancellationToken.None).GetAwaiter().GetResult();
            Channels = new ClientChannels(store, Chain, this, new SpendOptions(), time, NullLogger<ClientChannels>.Instance);
            Closer = new ChannelCloser(Channels, Chain, this, this, time, NullLogger<ChannelCloser>.Instance);
            Keeper = new ChannelKeeper(Channels, Closer, Chain, NullLogger<ChannelKeeper>.Instance);
        }

        public Ed25519PrivateKey Provider { get; } = Ed25519PrivateKey.Generate();

        public FakeChannelChain Chain { get; } = new();

        public ClientChannels Channels { get; }

        public ChannelCloser Closer { get; }

        public ChannelKeeper Keeper { get; }

        public ClientChannel Channel => Channels.Channels.Single();

        public ProviderTerms Terms => new(
            Channel.Peer, _terms.Payout, _terms.ProviderKey, ChannelContract.CodeHash, 3_600, 20_000_000, Networks.DevnetGlobalId);

        public List<string> Sent { get; } = [];

        public TonAddress Address { get; } = new(0, ProviderFixture.Hash(2));

        public Ed25519PrivateKey Key { get; } = Ed25519PrivateKey.Generate();

        public ulong FeeReserve => 10_000_000;

        public void ShowClosing()
        {
            ChannelAccount account = Chain.Accounts[new ChannelContract(_terms).Address.Id];
            Chain.Accounts[account.Channel] = account with { State = account.State! with { CloseAt = Chain.Now + 3_600 } };
        }

        public Task<ulong> GetBalanceAsync(CancellationToken cancellationToken) => Task.FromResult(10_000_000_000UL);

        public Task<IReadOnlyList<SendOutcome>> SendAsync(IReadOnlyList<PaymentIntent> intents, CancellationToken cancellationToken)
        {
            Sent.AddRange(intents.Select(intent => intent.Name));
            ShowClosing();
            return Task.FromResult<IReadOnlyList<SendOutcome>>([.. intents.Select(_ => new SendOutcome(SendResult.Delivered, "delivered"))]);
        }

        public Task<PayResponse> GetStateAsync(PeerId provider, CellHash channel, Ed25519PrivateKey payKey, CancellationToken cancellationToken) =>
            throw new IOException("not asked");

        public Task<PayResponse> RequestCloseAsync(PeerId provider, CellHash channel, VoucherMessage voucher, CancellationToken cancellationToken) =>
            Task.FromResult(_answer(voucher));

        public async ValueTask DisposeAsync()
        {
            await Channels.DisposeAsync();
            await _database.DisposeAsync();
            Key.Dispose();
            Provider.Dispose();
            _directory.Dispose();
        }
    }
}
