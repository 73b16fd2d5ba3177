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
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Tests.Node.Payments;

/// <summary>A client with one open channel and its books on disk; chain, wallet and provider are what the test says.</summary>
internal sealed class ClientFixture : IChainWallet, IPayClient, IAsyncDisposable
{
    public const ulong Deposit = 200_000_000;

    private readonly TemporaryDirectory _directory = new();
    private readonly CocoonDatabase _database;
    private readonly ChannelTerms _terms;

    public ClientFixture()
    {
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
        Channel = Channels.Channels.Single();
    }

    public FakeChannelChain Chain { get; } = new();

    public Ed25519PrivateKey Provider { get; } = Ed25519PrivateKey.Generate();

    public ClientChannels Channels { get; }

    public ChannelCloser Closer { get; }

    public ChannelKeeper Keeper { get; }

    public ClientChannel Channel { get; }

    public ProviderTerms Terms => new(
        Channel.Peer, _terms.Payout, _terms.ProviderKey, ChannelContract.CodeHash, 3_600, 20_000_000, Networks.DevnetGlobalId);

    /// <summary>What happens when money leaves; <c>null</c>: none may.</summary>
    public Action? OnSend { get; set; }

    /// <summary>The names of what was sent.</summary>
    public List<string> Sent { get; } = [];

    /// <summary>The provider's answer to a request to close; it is away unless the test says otherwise.</summary>
    public Func<VoucherMessage, PayResponse> OnClose { get; set; } = _ => throw new IOException("not reached");

    public int AskedToClose { get; private set; }

    public TonAddress Address { get; } = new(0, ProviderFixture.Hash(2));

    public Ed25519PrivateKey Key { get; } = Ed25519PrivateKey.Generate();

    public ulong FeeReserve => 10_000_000;

    /// <summary>From now on the chain shows the channel changed.</summary>
    public void Show(Func<ChannelState, ChannelState> change)
    {
        ChannelAccount account = Chain.Accounts[Channel.Channel];
        Chain.Accounts[Channel.Channel] = account with { State = change(account.State!) };
    }

    public void ShowClosing() => Show(state => state with { CloseAt = Chain.Now + 3_600 });

    public Task<ulong> GetBalanceAsync(CancellationToken cancellationToken) => Task.FromResult(10_000_000_000UL);

    public Task<IReadOnlyList<SendOutcome>> SendAsync(IReadOnlyList<PaymentIntent> intents, CancellationToken cancellationToken)
    {
        Sent.AddRange(intents.Select(intent => intent.Name));
        (OnSend ?? throw new InvalidOperationException("nothing may be sent"))();
        return Task.FromResult<IReadOnlyList<SendOutcome>>([.. intents.Select(_ => new SendOutcome(SendResult.Delivered, "delivered"))]);
    }

    public Task<PayResponse> GetStateAsync(PeerId provider, CellHash channel, Ed25519PrivateKey payKey, CancellationToken cancellationToken) =>
        throw new IOException("not asked");

    public Task<PayResponse> RequestCloseAsync(PeerId provider, CellHash channel, VoucherMessage voucher, CancellationToken cancellationToken)
    {
        AskedToClose++;
        return Task.FromResult(OnClose(voucher));
    }

    public async ValueTask DisposeAsync()
    {
        await Channels.DisposeAsync();
        await _database.DisposeAsync();
        Key.Dispose();
        Provider.Dispose();
        _directory.Dispose();
    }
}
