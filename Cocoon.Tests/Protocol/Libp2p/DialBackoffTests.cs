using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>An address that fails is left alone for longer and longer; its peer's word shortens that, and nobody's word abolishes it.</summary>
public sealed class DialBackoffTests
{
    private static readonly Libp2pLimits s_limits = new();
    private static readonly Multiaddr s_address = Multiaddr.Parse("/ip4/127.0.0.1/tcp/4484");

    private readonly ManualTimeProvider _time = new();

    [Test]
    public void Fail_AgainAndAgain_DoublesUpToTheMaximum()
    {
        DialBackoff backoff = new(s_limits, _time);
        List<double> waits = [];
        for (int failures = 0; failures < 8; failures++)
        {
            backoff.Fail(s_address);
            waits.Add(backoff.WaitFor(s_address).TotalSeconds);
        }

        Assert.That(waits, Is.EqualTo(new double[] { 5, 10, 20, 40, 80, 160, 300, 300 }));
        backoff.Succeed(s_address);
        Assert.That(backoff.WaitFor(s_address), Is.EqualTo(TimeSpan.Zero));
    }

    [Test]
    public void Renew_AfterManyFailures_LeavesTheFirstWaitAndOneTry()
    {
        DialBackoff backoff = new(s_limits, _time);
        for (int failures = 0; failures < 8; failures++)
        {
            backoff.Fail(s_address);
        }

        _time.Advance(TimeSpan.FromSeconds(3));
        backoff.Renew(s_address);
        Assert.That(backoff.WaitFor(s_address).TotalSeconds, Is.EqualTo(2), "5 s after the last failure, whatever is said");
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.That(backoff.WaitFor(s_address), Is.EqualTo(TimeSpan.Zero));
        backoff.Fail(s_address);
        Assert.That(backoff.WaitFor(s_address).TotalSeconds, Is.EqualTo(300), "one try: the failures before it still count");
    }

    [Test]
    public void Forgive_AfterManyFailures_AllowsOneTryAtOnce()
    {
        DialBackoff backoff = new(s_limits, _time);
        for (int failures = 0; failures < 8; failures++)
        {
            backoff.Fail(s_address);
        }

        backoff.Forgive(s_address);
        Assert.That(backoff.WaitFor(s_address), Is.EqualTo(TimeSpan.Zero));
        backoff.Fail(s_address);
        Assert.That(backoff.WaitFor(s_address).TotalSeconds, Is.EqualTo(300), "one try: the failures before it still count");
    }

    /// <summary>A signer that names a stranger's address in an offer each second, and one that asks us to dial it as often as it can.</summary>
    [Test]
    public void Renew_BySomebodyWhoNamesAVictim_DialsItNoMoreOftenThanTheFirstWait()
    {
        DialBackoff backoff = new(s_limits, _time);
        int dials = 0;
        for (int second = 0; second < 300; second++)
        {
            backoff.Renew(s_address);
            if (backoff.WaitFor(s_address) == TimeSpan.Zero)
            {
                dials++;
                backoff.Fail(s_address);
            }

            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.That(dials, Is.EqualTo(60));
    }

    [Test]
    public void Renew_OfWhatDidNotFail_ChangesNothing()
    {
        DialBackoff backoff = new(s_limits, _time);
        backoff.Renew(s_address);
        backoff.Fail(s_address);
        Assert.That(backoff.WaitFor(s_address).TotalSeconds, Is.EqualTo(5));
        backoff.Renew(s_address);
        Assert.That(backoff.WaitFor(s_address).TotalSeconds, Is.EqualTo(5));
    }

    /// <summary>Anybody may say that he lives where an honest peer does. That he is not found there is no failure of the one who is.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Peer_WhoseAddressOthersClaim_IsReached_AndTheyAreNotLookedForThereAgain(CancellationToken cancellationToken)
    {
        await using Libp2pHost client = await TestHosts.StartAsync(), honest = await TestHosts.StartAsync();
        for (int i = 0; i < 3; i++)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            PeerId liar = PeerId.FromPublicKey(key.PublicKey);
            client.AddAddresses(liar, honest.Addresses, TimeSpan.FromHours(1));
            await Assert.ThatAsync(
                () => client.ConnectAsync(liar, cancellationToken).AsTask(),
                Throws.InstanceOf<Libp2pException>().With.Message.Contains(i == 0 ? $"The remote is {honest.LocalPeer}" : "failed a moment ago"));
        }

        client.AddAddresses(honest.LocalPeer, honest.Addresses, TimeSpan.FromHours(1));
        await client.ConnectAsync(honest.LocalPeer, cancellationToken);
    }

    /// <summary>Who answers, and nobody asked: strangers lead us to as many such addresses as they like.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Dials_OfAWholeLookup_ThatNobodyAnswers_LeaveRoomForAnother(CancellationToken cancellationToken)
    {
        await using Libp2pHost client = await TestHosts.StartAsync(), honest = await TestHosts.StartAsync();
        List<TcpListener> silent = [];
        List<Task> waiting = [];
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        for (int i = 0; i < 10; i++)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            List<Multiaddr> addresses = [];
            for (int j = 0; j < s_limits.ParallelDialsPerPeer; j++)
            {
                silent.Add(new TcpListener(IPAddress.Loopback, 0));
                silent[^1].Start();
                addresses.Add(Multiaddr.FromEndPoint((IPEndPoint)silent[^1].LocalEndpoint));
            }

            PeerId nobody = PeerId.FromPublicKey(key.PublicKey);
            client.AddAddresses(nobody, addresses, TimeSpan.FromHours(1));
            waiting.Add(client.ConnectAsync(nobody, stop.Token).AsTask());
        }

        await Eventually.TrueAsync("all are dialled", () => silent.TrueForAll(listener => listener.Pending()), TimeSpan.FromSeconds(9), cancellationToken);
        client.AddAddresses(honest.LocalPeer, honest.Addresses, TimeSpan.FromHours(1));
        await client.ConnectAsync(honest.LocalPeer, cancellationToken);
        Assert.That(waiting.Exists(dial => dial.IsCompleted), Is.False, "the others still wait");
        await stop.CancelAsync();
        await Assert.ThatAsync(() => Task.WhenAll(waiting), Throws.InstanceOf<OperationCanceledException>());
        silent.ForEach(listener => listener.Dispose());
    }

    /// <summary>The provider of a crash walk: away while it was dialled some times, then back under the same address. It says so, or our user asks for it.</summary>
    [TestCase(false), TestCase(true), CancelAfter(60_000)]
    public async Task Peer_BackAfterManyFailedDials_IsReachedOnceItSaysSo_OrAPersonAsks(bool isAskedFor)
    {
        CancellationToken cancellationToken = TestContext.CurrentContext.CancellationToken;
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        await using Libp2pHost client = new(new Libp2pHostOptions
        {
            Identity = Ed25519PrivateKey.Generate(), ListenAddresses = [], AllowPrivateAddresses = true, TimeProvider = _time, Limits = s_limits,
        });
        await client.StartAsync(cancellationToken);
        Libp2pHost provider = await TestHosts.StartAsync(key: key);
        Multiaddr address = provider.Addresses[0];
        client.AddAddresses(provider.LocalPeer, [address], TimeSpan.FromDays(1));
        await provider.DisposeAsync();
        for (int tries = 0; tries < 6; tries++)
        {
            Assert.That(async () => await client.ConnectAsync(provider.LocalPeer, cancellationToken), Throws.InstanceOf<Libp2pException>());
            _time.Advance(s_limits.DialBackoff * Math.Pow(2, tries));
        }

        Assert.That(async () => await client.ConnectAsync(provider.LocalPeer, cancellationToken), Throws.InstanceOf<Libp2pException>());
        await using Libp2pHost back = await TestHosts.StartAsync(key: key, listen: address.ToString());
        Assert.That(
            async () => await client.ConnectAsync(back.LocalPeer, cancellationToken),
            Throws.InstanceOf<Libp2pException>().With.Message.Contains("All 1 known addresses").And.Message.Contains("the next try is in 300 s"));
        if (isAskedFor)
        {
            client.ForgiveAddresses(back.LocalPeer);
        }
        else
        {
            _time.Advance(s_limits.DialBackoff);
            client.RenewAddresses(back.LocalPeer, [address]);
        }

        await client.ConnectAsync(back.LocalPeer, cancellationToken);
        Assert.That(client.Connections.Single().Peer, Is.EqualTo(back.LocalPeer));
    }
}
