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

    /// <summary>Whoever held the signed opening back can still have it taken: only the salt lets us sign for the money in the channel then.</summary>
    [TestCase(SendResult.NotSent, false)]
    [TestCase(SendResult.Refused, true)]
    public async Task GetOrOpenAsync_TheOpeningWasNotSent_IsForgottenOnlyWhenNothingWasSigned(SendResult result, bool kept)
    {
        using TemporaryDirectory directory = new();
        await using CocoonDatabase database = CocoonDatabase.Open(directory.File("client.db"));
        using IdleWallet wallet = new() { Outcome = new SendOutcome(result, "no") };
        using Ed25519PrivateKey provider = Ed25519PrivateKey.Generate();
        FakeChannelChain chain = new();
        ClientChannelStore store = new(database);
        await using ClientChannels channels = new(store, chain, wallet, new SpendOptions(), new ManualTimeProvider(), NullLogger<ClientChannels>.Instance);
        ProviderTerms terms = new(
            PeerId.FromPublicKey(provider.PublicKey), new TonAddress(0, ProviderFixture.Hash(1)), provider.PublicKey, ChannelContract.CodeHash, 3_600, 20_000_000,
            Networks.DevnetGlobalId);
        await Assert.ThrowsAsync<PaymentException>(() => channels.GetOrOpenAsync(terms, need: 1, CancellationToken.None));
        Assert.That((channels.Channels.Count, store.List(10).Count), Is.EqualTo(kept ? (1, 1) : (0, 0)));
        if (kept)
        {
            ClientChannel arrived = channels.Channels.Single();
            chain.Open(arrived.Record.Terms, spendable: 200_000_000);
            await channels.RefreshAsync(arrived, CancellationToken.None);
            Assert.That(arrived.Phase, Is.EqualTo(ChannelPhase.Open), "it came after all");
        }
    }

    /// <summary>A wallet that must not be asked to send, unless it was told how that ends.</summary>
    private sealed class IdleWallet : IChainWallet, IDisposable
    {
        public SendOutcome? Outcome { get; init; }

        public TonAddress Address { get; } = new(0, ProviderFixture.Hash(2));

        public Ed25519PrivateKey Key { get; } = Ed25519PrivateKey.Generate();

        public ulong FeeReserve => 10_000_000;

        public Task<ulong> GetBalanceAsync(CancellationToken cancellationToken) => Task.FromResult(Outcome is null ? 0UL : 10_000_000_000);

        public Task<IReadOnlyList<SendOutcome>> SendAsync(IReadOnlyList<PaymentIntent> intents, CancellationToken cancellationToken) =>
            Outcome is { } outcome
                ? Task.FromResult<IReadOnlyList<SendOutcome>>([.. intents.Select(_ => outcome)])
                : throw new InvalidOperationException("nothing may be sent");

        public void Dispose() => Key.Dispose();
    }
}
