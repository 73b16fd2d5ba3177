using Cocoon.Node.Payments;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

internal sealed class ClientChannelsTests
{
    [Test]
    public async Task GetOrOpenAsync_DepositBeyondTheCap_IsTheProvidersFaultAndAnotherIsAsked()
    {
        using TemporaryDirectory directory = new();
        await using CocoonDatabase database = CocoonDatabase.Open(directory.File("client.db"));
        using IdleWallet wallet = new();
        using Ed25519PrivateKey provider = Ed25519PrivateKey.Generate();
        await using ClientChannels channels = new(
            new ClientChannelStore(database), new FakeChannelChain(), wallet, new SpendOptions(), new ManualTimeProvider(), NullLogger<ClientChannels>.Instance);
        foreach (ulong deposit in new[] { new SpendOptions().DepositCapPerProvider + 1, ulong.MaxValue })
        {
            ProviderTerms terms = new(
                PeerId.FromPublicKey(provider.PublicKey), new TonAddress(0, ProviderFixture.Hash(1)), provider.PublicKey, ChannelContract.CodeHash, 3_600, deposit,
                Networks.DevnetGlobalId);
            PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(() => channels.GetOrOpenAsync(terms, need: 1, CancellationToken.None));
            Assert.That((refused!.Code, PaymentFailures.From(refused).TryAnother), Is.EqualTo((PaymentErrorCode.Terms, true)));
        }

        Assert.That(channels.Channels, Is.Empty);
    }

    /// <summary>A wallet that must not be asked to send.</summary>
    private sealed class IdleWallet : IChainWallet, IDisposable
    {
        public TonAddress Address { get; } = new(0, ProviderFixture.Hash(2));

        public Ed25519PrivateKey Key { get; } = Ed25519PrivateKey.Generate();

        public ulong FeeReserve => 10_000_000;

        public Task<ulong> GetBalanceAsync(CancellationToken cancellationToken) => Task.FromResult(0UL);

        public Task<IReadOnlyList<SendOutcome>> SendAsync(IReadOnlyList<PaymentIntent> intents, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("nothing may be sent");

        public void Dispose() => Key.Dispose();
    }
}
