using System.Net;
using Cocoon.Node.Discovery;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.PrivacyRelay;

/// <summary>Who is chosen to carry a circuit, and that a client never goes back to fewer relays by itself.</summary>
public sealed class RelayPickerTests
{
    private readonly ManualTimeProvider _time = new();

    [Test]
    public async Task Pick_NeverTheProviderNorItsPayout()
    {
        await using MemoryNetwork network = new();
        OfferBook book = new(_time);
        MemoryHost client = network.AddHost();
        PeerId provider = AddOffer(book, "198.51.100.1", payout: 'a', forwards: true);
        AddOffer(book, "203.0.113.1", payout: 'a', forwards: true);
        AddOffer(book, "192.0.2.1", payout: 'b', forwards: false);
        RelayPicker picker = new(client, book);
        NoRelayException refused = Assert.Throws<NoRelayException>(() => picker.Pick(1, provider, new HashSet<PeerId>()))!;
        Assert.That((refused.Wanted, refused.Known), Is.EqualTo((1, 0)));
    }

    [Test]
    public async Task Pick_OtherNetworksAndOperatorsFirst()
    {
        await using MemoryNetwork network = new();
        OfferBook book = new(_time);
        MemoryHost client = network.AddHost();
        PeerId provider = AddOffer(book, "198.51.100.1", payout: 'a', forwards: false);
        PeerId near = AddOffer(book, "198.51.100.77", payout: 'b', forwards: true);
        PeerId far = AddOffer(book, "203.0.113.1", payout: 'c', forwards: true);
        PeerId alsoFar = AddOffer(book, "192.0.2.1", payout: 'd', forwards: true);
        RelayPicker picker = new(client, book);
        HashSet<PeerId> first = [];
        for (int i = 0; i < 60; i++)
        {
            IReadOnlyList<CircuitHop> two = picker.Pick(2, provider, new HashSet<PeerId>());
            Assert.That(two.Select(h => h.Peer), Is.Unique.And.Not.Contains(near));
            first.Add(two[0].Peer);
        }

        Assert.That(first, Is.EquivalentTo(new[] { far, alsoFar }), "chance decides among equals");
        Assert.That(picker.Pick(2, provider, new HashSet<PeerId> { far }).Select(h => h.Peer), Is.EquivalentTo(new[] { near, alsoFar }), "rather near than none");
    }

    [Test]
    public async Task Pick_ConnectedPeersThatAnnounceForwarding()
    {
        await using MemoryNetwork network = new();
        MemoryHost client = network.AddHost(), relay = network.AddHost(), plain = network.AddHost();
        relay.Handle(RelayProtocol.ForwardId, (_, _) => Task.CompletedTask);
        plain.Handle(RelayProtocol.Id, (_, _) => Task.CompletedTask);
        network.IntroduceAll();
        await client.ConnectAsync(relay.LocalPeer, CancellationToken.None);
        await client.ConnectAsync(plain.LocalPeer, CancellationToken.None);
        RelayPicker picker = new(client, new OfferBook(_time));
        Assert.That(picker.Pick(1, plain.LocalPeer, new HashSet<PeerId>())[0].Peer, Is.EqualTo(relay.LocalPeer));
    }

    [Test]
    public void Floor_OnlyTheOwnerLowers_AndARestartKeepsIt()
    {
        using TemporaryDirectory temporary = new();
        using DataDirectory directory = DataDirectory.Open(temporary.File("client"));
        RelayFloor floor = new(directory, null);
        Assert.That(floor.Value, Is.Zero);
        floor.RaiseTo(2);
        floor.RaiseTo(1);
        Assert.That(new RelayFloor(directory, null).Value, Is.EqualTo(2));
        Assert.That(new RelayFloor(directory, 0).Value, Is.Zero);
        Assert.That(new RelayFloor(directory, null).Value, Is.Zero);
    }

    [Test]
    public async Task OpenAsync_ForWantOfRelays_LeavesTheFloorWhereItWas()
    {
        await using MemoryNetwork network = new();
        using TemporaryDirectory temporary = new();
        using DataDirectory directory = DataDirectory.Open(temporary.File("client"));
        MemoryHost client = network.AddHost(), provider = network.AddHost();
        provider.Handle("/test/1.0.0", (_, _) => Task.CompletedTask);
        network.IntroduceAll();
        RelayFloor floor = new(directory, null);
        RelayedStreams streams = new(client, new RelayPicker(client, new OfferBook(_time)), floor, NullLogger<RelayedStreams>.Instance);
        await Assert.ThrowsAsync<NoRelayException>(async () => await streams.OpenAsync(provider.LocalPeer, [], "/test/1.0.0", 2, CancellationToken.None));
        Assert.That(floor.Value, Is.Zero);
        ProviderStream direct = await streams.OpenAsync(provider.LocalPeer, [], "/test/1.0.0", 0, CancellationToken.None);
        Assert.That(direct.Relays, Is.Empty);
        await direct.Stream.DisposeAsync();
    }

    private PeerId AddOffer(OfferBook book, string ip, char payout, bool forwards)
    {
        using TestOffers offers = new(_time.GetUtcNow());
        Offer offer = offers.Create();
        offer.Payout = "0:" + new string(payout, 64);
        offer.Addresses.Add(ByteString.CopyFrom(Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Parse(ip), 4484)).Bytes));
        offer.Protocols.Add(RelayProtocol.Id);
        if (forwards)
        {
            offer.Protocols.Add(RelayProtocol.ForwardId);
        }

        VerifiedOffer signed = offers.Sign(offer);
        Assert.That(book.Add(signed), Is.EqualTo(OfferRejection.None));
        return signed.Peer;
    }
}
