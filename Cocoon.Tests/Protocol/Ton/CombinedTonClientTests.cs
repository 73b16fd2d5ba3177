using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Tests.Protocol.Ton.LiteClient;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton;

/// <summary>Lite-servers first; HTTP for what they lack and when they are silent, never for what they fail to prove.</summary>
public sealed class CombinedTonClientTests
{
    private static readonly TonAddress s_address = new(0, new CellHash(Enumerable.Repeat((byte)0x10, 32).ToArray()));

    private static LiteTonClient Lite(MockLiteServer server, BlockId? anchor) =>
        new(new LiteTonOptions { Servers = [server.Endpoint], Quorum = 1, Anchor = anchor, BlockAge = TimeSpan.Zero });

    [Test, CancelAfter(30_000)]
    public async Task Account_WithLiteServers_IsProvenAndHttpIsNotAsked(CancellationToken cancellationToken)
    {
        TestKeyChain chain = new(1, simplex: true, (s_address, ProofChain.Account(s_address, 5)));
        await using MockLiteServer server = new(chain.Serve);
        ClaimingClient http = new();
        await using CombinedTonClient client = new(Lite(server, chain.Anchor), http);
        TonAccount account = await client.GetAccountAsync(s_address, cancellationToken);
        Assert.That((account.Balance, account.Assurance, client.Assurance, http.Asked), Is.EqualTo((5UL, AccountAssurance.Proven, AccountAssurance.Proven, 0)));
        Assert.That((await client.FindReceiverTransactionAsync(s_address, s_address, 1, cancellationToken), http.Asked), Is.EqualTo(((TonTransaction?)null, 1)), "no lite-server finds it");
        await client.SendBocAsync(new byte[] { 1 }, cancellationToken);
        Assert.That(http.Asked, Is.EqualTo(2), "messages go both ways");
    }

    [Test, CancelAfter(30_000)]
    public async Task Account_WithSilentLiteServers_IsWhatHttpClaims(CancellationToken cancellationToken)
    {
        MockLiteServer server = MockLiteServer.Of(new ProofChain(100));
        await using CombinedTonClient client = new(Lite(server, null), new ClaimingClient());
        await server.DisposeAsync();
        TonAccount account = await client.GetAccountAsync(s_address, cancellationToken);
        Assert.That((account.Balance, account.Assurance), Is.EqualTo((77UL, AccountAssurance.Claimed)));
    }

    [Test, CancelAfter(30_000)]
    public async Task Account_WithProofsThatDoNotHold_IsNotTakenFromHttp(CancellationToken cancellationToken)
    {
        TestKeyChain ours = new(2, simplex: true), theirs = new(1, simplex: true, (s_address, ProofChain.Account(s_address, 1_000_000)));
        await using MockLiteServer server = new(theirs.Serve);
        ClaimingClient http = new();
        await using CombinedTonClient client = new(Lite(server, ours.LastKeyBlock), http);
        await Assert.ThatAsync(
            () => client.GetAccountAsync(s_address, cancellationToken), Throws.TypeOf<TonException>().With.Property(nameof(TonException.Code)).EqualTo(TonErrorCode.ProofInvalid));
        Assert.That(http.Asked, Is.Zero);
    }
}
