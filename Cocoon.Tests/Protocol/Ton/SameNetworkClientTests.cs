using Cocoon.Protocol.Ton;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton;

public sealed class SameNetworkClientTests
{
    private static readonly TonAddress s_address = new(0, default);

    [Test]
    public async Task Calls_ToServersOfTheNetwork_Pass()
    {
        ClaimingClient servers = new() { GlobalId = TonNetwork.Testnet.GlobalId };
        await using SameNetworkClient client = new(servers, TonNetwork.Testnet);
        Assert.That((await client.GetAccountAsync(s_address, CancellationToken.None)).Balance, Is.EqualTo(77));
        await client.SendBocAsync(new byte[1], CancellationToken.None);
        Assert.That(servers.Asked, Is.EqualTo(2));
    }

    [TestCase(-777, "devnet (global id -777)")]
    [TestCase(-239, "mainnet (global id -239)")]
    [TestCase(5, "a network with the global id 5")]
    public async Task Calls_ToServersOfAnotherNetwork_NeitherReadNorSend(int other, string name)
    {
        ClaimingClient servers = new() { GlobalId = other };
        await using SameNetworkClient client = new(servers, TonNetwork.Testnet);
        for (int i = 0; i < 5; i++)
        {
            TonException read = (await Assert.ThrowsAsync<TonException>(() => client.GetAccountAsync(s_address, CancellationToken.None)))!;
            TonException sent = (await Assert.ThrowsAsync<TonException>(() => client.SendBocAsync(new byte[1], CancellationToken.None)))!;
            Assert.That((read.Code, sent.Code), Is.EqualTo((TonErrorCode.WrongNetwork, TonErrorCode.WrongNetwork)));
            Assert.That(read.Message, Does.Contain(name).And.Contain("not for testnet"));
        }

        Assert.That(servers.Asked, Is.Zero);
    }

    [Test]
    public async Task Calls_ToServersThatDoNotSay_Pass()
    {
        ClaimingClient servers = new();
        await using SameNetworkClient client = new(servers, TonNetwork.Testnet);
        await client.SendBocAsync(new byte[1], CancellationToken.None);
        Assert.That(servers.Asked, Is.EqualTo(1));
    }
}
