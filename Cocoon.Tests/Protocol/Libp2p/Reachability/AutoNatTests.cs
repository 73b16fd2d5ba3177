using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat.Proto;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;
using Verdict = Cocoon.Protocol.Libp2p.Protocols.AutoNat.Reachability;

namespace Cocoon.Tests.Protocol.Libp2p.Reachability;

/// <summary>AutoNAT v1: verdicts, and a server that nobody can aim.</summary>
public sealed class AutoNatTests : ReachabilityTests
{
    private static readonly AutoNatOptions Quick = new()
    {
        FirstInterval = TimeSpan.FromMilliseconds(20), ConfirmInterval = TimeSpan.FromMilliseconds(20), DialTimeout = TimeSpan.FromSeconds(5),
    };

    [Test, CancelAfter(60_000)]
    public async Task HostThatCanBeDialled_IsPublic_WithItsAddressVerified(CancellationToken cancellationToken)
    {
        Libp2pHost server = await AddAsync(RelayHosts.StartAsync(autoNat: Quick)), host = await AddAsync(RelayHosts.StartAsync(autoNat: Quick));
        await host.ConnectAsync(server.FullAddress(), cancellationToken);
        await Eventually.TrueAsync("verdict", () => host.Reachability.IsPublic, Patience, cancellationToken);
        Assert.That(host.Reachability.Verified, Is.EqualTo(new[] { host.Addresses[0] }));
        Assert.That(server.Connections.Select(c => c.Peer), Is.EqualTo(new[] { host.LocalPeer }), "the dial back leaves nothing behind");
    }

    [Test, CancelAfter(60_000)]
    public async Task PrivateVerdict_HidesNothingOfTheRelay_AndAsksForOne(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        relay.Handle(AutoNatOptions.Protocol, (stream, token) => AnswerAsync(stream, AutoNatMessage.Types.Status.EDialError, token));
        Libp2pHost host = await AddAsync(RelayHosts.StartAsync(autoNat: Quick, relayWhenPrivate: true));
        await host.ConnectAsync(relay.FullAddress(), cancellationToken);
        await Eventually.TrueAsync("verdict", () => host.Reachability.IsPrivate, Patience, cancellationToken);
        await Eventually.TrueAsync("relay", () => host.Addresses.Any(address => address.IsRelayed), Patience, cancellationToken);
        Assert.That(host.HeldReservations.Single().Relay, Is.EqualTo(relay.LocalPeer));
    }

    [Test]
    public void Tally_WaitsForDistinctNetworks_ThenKeepsItsVerdict()
    {
        ManualTimeProvider time = new();
        ReachabilityTally tally = new(new AutoNatOptions(), time);
        Multiaddr address = Multiaddr.Parse("/ip4/44.1.2.3/tcp/1");
        for (int i = 0; i < 10; i++)
        {
            tally.Add("one network", address);
        }

        Assert.That(tally.Report(networks: 20, Verdict.Unknown).Verdict, Is.EqualTo(Verdict.Unknown), "one voice, however loud");
        Assert.That(tally.Report(networks: 1, Verdict.Unknown).Verdict, Is.EqualTo(Verdict.Public), "there is nobody else");
        tally.Add("second", address);
        tally.Add("third", null);
        Assert.That(tally.Report(20, Verdict.Unknown).Verdict, Is.EqualTo(Verdict.Unknown));
        tally.Add("fourth", address);
        ReachabilityReport report = tally.Report(20, Verdict.Unknown);
        Assert.That((report.Verdict, report.Successes, report.Failures), Is.EqualTo((Verdict.Public, 3, 1)));
        Assert.That(report.Verified, Is.EqualTo(new[] { address }));
        foreach (string network in (string[])["second", "fourth", "fifth", "sixth"])
        {
            tally.Add(network, null);
        }

        Assert.That(tally.Report(20, Verdict.Public).Verdict, Is.EqualTo(Verdict.Private));
        time.Advance(TimeSpan.FromHours(1));
        Assert.That(tally.Report(20, Verdict.Private).Verdict, Is.EqualTo(Verdict.Unknown), "old answers say nothing");
    }

    /// <summary>A dial that failed may have met a busy moment: the only peer there is has to say it three times.</summary>
    [Test, CancelAfter(60_000)]
    public async Task OneFailure_OfTheOnlyPeer_IsNoVerdict(CancellationToken cancellationToken)
    {
        Libp2pHost server = await AddAsync(RelayHosts.StartAsync()), host = await AddAsync(RelayHosts.StartAsync(autoNat: Quick));
        List<Verdict> verdicts = [];
        host.ReachabilityChanged += report => verdicts.Add(report.Verdict);
        int asked = 0;
        server.Handle(AutoNatOptions.Protocol, (stream, token) => Interlocked.Increment(ref asked) == 1
            ? AnswerAsync(stream, AutoNatMessage.Types.Status.EDialError, token)
            : AnswerAsync(stream, AutoNatMessage.Types.Status.Ok, token, host.Addresses[0].ToString()));
        await host.ConnectAsync(server.FullAddress(), cancellationToken);
        await Eventually.TrueAsync("three questions", () => Volatile.Read(ref asked) == 3, Patience, cancellationToken);
        await host.PingAsync(server.LocalPeer, cancellationToken);
        Assert.That(host.Reachability.Verdict, Is.EqualTo(Verdict.Unknown));
        Assert.That(verdicts, Is.Empty);
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public void Tally_OfFewNetworks_WantsThreeAnswersAllTheSame(int networks)
    {
        ReachabilityTally tally = new(new AutoNatOptions(), new ManualTimeProvider());
        for (int answer = 0; answer < 3; answer++)
        {
            Assert.That(tally.Report(networks, Verdict.Unknown).Verdict, Is.EqualTo(Verdict.Unknown), $"after {answer}");
            tally.Add($"{answer % networks}", null);
        }

        Assert.That(tally.Report(networks, Verdict.Unknown).Verdict, Is.EqualTo(Verdict.Private));
    }

    [Test]
    public void Tally_OfOnePeer_KeepsItsVerdictUntilThePeerInsists()
    {
        ReachabilityTally tally = new(new AutoNatOptions(), new ManualTimeProvider());
        Multiaddr address = Multiaddr.Parse("/ip4/44.1.2.3/tcp/1");
        Verdict Say(Multiaddr? reached, Verdict current)
        {
            tally.Add("only", reached);
            return tally.Report(1, current).Verdict;
        }

        Assert.That(Say(address, Verdict.Unknown), Is.EqualTo(Verdict.Unknown));
        Assert.That(Say(address, Verdict.Unknown), Is.EqualTo(Verdict.Unknown));
        Assert.That(Say(address, Verdict.Unknown), Is.EqualTo(Verdict.Public));
        Assert.That(Say(null, Verdict.Public), Is.EqualTo(Verdict.Public));
        Assert.That(Say(null, Verdict.Public), Is.EqualTo(Verdict.Public));
        Assert.That(Say(address, Verdict.Public), Is.EqualTo(Verdict.Public));
        Assert.That(Say(null, Verdict.Public), Is.EqualTo(Verdict.Public));
        Assert.That(Say(null, Verdict.Public), Is.EqualTo(Verdict.Public));
        Assert.That(Say(null, Verdict.Public), Is.EqualTo(Verdict.Private));
    }

    [Test]
    public void Tally_OfVeryManyNetworks_StaysBounded()
    {
        ReachabilityTally tally = new(new AutoNatOptions(), new ManualTimeProvider());
        for (int i = 0; i < 10_000; i++)
        {
            tally.Add(i.ToString(System.Globalization.CultureInfo.InvariantCulture), null);
        }

        Assert.That(tally.Report(20, Verdict.Unknown).Failures, Is.EqualTo(64));
    }

    [Test, CancelAfter(60_000)]
    public async Task Server_AskedToDialAnotherAddress_RefusesAndDialsNobody(CancellationToken cancellationToken)
    {
        Libp2pHost server = await AddAsync(RelayHosts.StartAsync(autoNat: Quick)), attacker = await AddAsync(RelayHosts.StartAsync());
        using TcpListener victim = new(IPAddress.Parse("127.0.0.2"), 0);
        victim.Start();
        AutoNatMessage.Types.DialResponse answer = await AskAsync(
            attacker, server, Request(attacker.LocalPeer, Multiaddr.FromEndPoint((IPEndPoint)victim.LocalEndpoint)), cancellationToken);
        Assert.That(answer.Status, Is.EqualTo(AutoNatMessage.Types.Status.EDialRefused));
        Assert.That(victim.Pending(), Is.False);
    }

    [Test, CancelAfter(60_000)]
    public async Task Server_AskedAboutAnotherPeer_SaysBadRequest(CancellationToken cancellationToken)
    {
        Libp2pHost server = await AddAsync(RelayHosts.StartAsync(autoNat: Quick)), attacker = await AddAsync(RelayHosts.StartAsync());
        foreach (AutoNatMessage message in (AutoNatMessage[])[Request(server.LocalPeer, server.Addresses[0]), new(), new() { Type = AutoNatMessage.Types.Type.DialResponse }])
        {
            Assert.That((await AskAsync(attacker, server, message, cancellationToken)).Status, Is.EqualTo(AutoNatMessage.Types.Status.EBadRequest));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Server_DialsFewAddresses_AndFewTimes(CancellationToken cancellationToken)
    {
        Libp2pHost server = await AddAsync(RelayHosts.StartAsync(autoNat: Quick)), attacker = await AddAsync(RelayHosts.StartAsync());
        int dialled = 0;
        List<TcpListener> victims = [.. Enumerable.Range(0, 12).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        List<Task> accepting = [.. victims.Select(CountAsync)];
        AutoNatMessage request = Request(attacker.LocalPeer, [.. victims.Select(victim => Multiaddr.FromEndPoint((IPEndPoint)victim.LocalEndpoint))]);
        List<AutoNatMessage.Types.Status> answers = [];
        for (int i = 0; i < 5; i++)
        {
            answers.Add((await AskAsync(attacker, server, request, cancellationToken)).Status);
        }

        victims.ForEach(victim => victim.Stop());
        await Task.WhenAll(accepting);
        Assert.That(answers.Count(status => status == AutoNatMessage.Types.Status.EDialError), Is.EqualTo(3));
        Assert.That(answers.Count(status => status == AutoNatMessage.Types.Status.EDialRefused), Is.EqualTo(2), "three requests a minute");
        Assert.That(dialled, Is.EqualTo(3 * 4));

        async Task CountAsync(TcpListener victim)
        {
            victim.Start();
            try
            {
                while (true)
                {
                    using Socket socket = await victim.AcceptSocketAsync(cancellationToken);
                    Interlocked.Increment(ref dialled);
                }
            }
            catch (SocketException)
            {
                // Stopped.
            }
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Client_ToldOfAnAddressThatItNeverHad_DoesNotAnnounceIt(CancellationToken cancellationToken)
    {
        Libp2pHost liar = await AddAsync(RelayHosts.StartAsync());
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        liar.Handle(AutoNatOptions.Protocol, async (stream, token) =>
        {
            await AnswerAsync(stream, AutoNatMessage.Types.Status.Ok, token, "/ip4/127.0.0.9/tcp/9");
            asked.TrySetResult();
        });
        Libp2pHost host = await AddAsync(RelayHosts.StartAsync(autoNat: Quick));
        await host.ConnectAsync(liar.FullAddress(), cancellationToken);
        await asked.Task.WaitAsync(cancellationToken);
        await host.PingAsync(liar.LocalPeer, cancellationToken);
        Assert.That(host.Reachability.IsPublic, Is.False);
        Assert.That(host.Addresses, Has.Count.EqualTo(1));
    }

    private static AutoNatMessage Request(PeerId peer, params Multiaddr[] addresses)
    {
        AutoNatMessage.Types.PeerInfo about = new() { Id = ByteString.CopyFrom(peer.Bytes) };
        about.Addrs.AddRange(addresses.Select(address => ByteString.CopyFrom(address.Bytes)));
        return new AutoNatMessage { Type = AutoNatMessage.Types.Type.Dial, Dial = new AutoNatMessage.Types.Dial { Peer = about } };
    }

    private static async Task<AutoNatMessage.Types.DialResponse> AskAsync(Libp2pHost peer, Libp2pHost server, AutoNatMessage message, CancellationToken cancellationToken)
    {
        await peer.ConnectAsync(server.FullAddress(), cancellationToken);
        await using IPeerStream stream = await peer.OpenStreamAsync(server.LocalPeer, [AutoNatOptions.Protocol], cancellationToken);
        await LengthPrefixed.WriteAsync(stream, message, cancellationToken);
        return (await LengthPrefixed.ReadAsync(stream, AutoNatMessage.Parser, 4096, cancellationToken))!.DialResponse;
    }

    private static async Task AnswerAsync(IPeerStream stream, AutoNatMessage.Types.Status status, CancellationToken cancellationToken, string? address = null)
    {
        await LengthPrefixed.ReadAsync(stream, 4096, cancellationToken);
        AutoNatMessage.Types.DialResponse answer = new() { Status = status };
        if (address is not null)
        {
            answer.Addr = ByteString.CopyFrom(Multiaddr.Parse(address).Bytes);
        }

        await LengthPrefixed.WriteAsync(stream, new AutoNatMessage { Type = AutoNatMessage.Types.Type.DialResponse, DialResponse = answer }, cancellationToken);
    }
}
