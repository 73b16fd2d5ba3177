using System.Security.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.PrivacyRelay;

/// <summary>What strangers cannot take of a relay.</summary>
public sealed class RelayLimitTests
{
    private const int Guard = 30_000;

    [Test, CancelAfter(Guard)]
    public async Task Circuit_ThatCarriedItsBytes_IsReset(CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new(new RelayLimits { MaxBytes = 100_000 });
        await using IPeerStream stream = await network.OpenAsync(cancellationToken, network.First);
        byte[] chunk = new byte[8192];
        Assert.That(
            async () =>
            {
                for (int i = 0; i < 100; i++)
                {
                    await stream.WriteAsync(chunk, cancellationToken);
                    await stream.ReadAsync(chunk, cancellationToken);
                }
            },
            Throws.InstanceOf<IOException>());
        await Eventually(() => network.FirstRelay.Circuits == 0, cancellationToken);
    }

    [Test, CancelAfter(Guard)]
    public async Task Circuit_OnWhichNothingMoves_Ends(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using CircuitNetwork network = new(new RelayLimits { IdleTimeout = TimeSpan.FromMinutes(2) }, time);
        await using IPeerStream stream = await network.OpenAsync(cancellationToken, network.First);
        await stream.WriteAsync("x"u8.ToArray(), cancellationToken);
        Assert.That(await stream.ReadAsync(new byte[1], cancellationToken), Is.EqualTo(1));
        Assert.That(network.FirstRelay.Circuits, Is.EqualTo(1));
        time.Advance(TimeSpan.FromMinutes(4));
        Assert.That(async () => await stream.ReadAsync(new byte[1], cancellationToken), Throws.InstanceOf<IOException>());
        await Eventually(() => network.FirstRelay.Circuits == 0, cancellationToken);
    }

    [Test, CancelAfter(Guard)]
    public async Task Handshake_ThatNeverCompletes_GivesItsPlaceBack(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using CircuitNetwork network = new(new RelayLimits { HandshakeTimeout = TimeSpan.FromSeconds(10) }, time);
        await using IPeerStream silent = await network.Client.OpenStreamAsync(network.First.LocalPeer, [RelayProtocol.Id], cancellationToken);
        await Eventually(() => network.FirstRelay.Circuits == 1, cancellationToken);
        time.Advance(TimeSpan.FromSeconds(11));
        await Eventually(() => network.FirstRelay.Circuits == 0, cancellationToken);
    }

    [Test, CancelAfter(Guard)]
    public async Task Handshake_OfNoise_IsProtocolErrorsOnly(CancellationToken cancellationToken)
    {
        await using CircuitNetwork network = new(new RelayLimits { OpensPerMinute = int.MaxValue });
        for (int i = 0; i < 200; i++)
        {
            await using IPeerStream stream = await network.Client.OpenStreamAsync(network.First.LocalPeer, [RelayProtocol.Id], cancellationToken);
            byte[] garbage = RandomNumberGenerator.GetBytes(RandomNumberGenerator.GetInt32(1, 600));
            if (i % 2 == 0)
            {
                "\x13/multistream/1.0.0\n\x07/noise\n"u8.CopyTo(garbage = [.. "\x13/multistream/1.0.0\n\x07/noise\n"u8, .. garbage]);
            }

            try
            {
                await stream.WriteAsync(garbage, cancellationToken);
                await stream.CloseWriteAsync(cancellationToken);
            }
            catch (IOException)
            {
                // Reset already.
            }
        }

        await Eventually(() => network.FirstRelay.Circuits == 0, cancellationToken);
        Assert.That(network.First.HandlerFailures, Is.All.InstanceOf<IOException>());
        await using IPeerStream honest = await network.OpenAsync(cancellationToken, network.First);
        Assert.That(honest.RemotePeer, Is.EqualTo(network.Target.LocalPeer));
    }

    [Test]
    public void Admission_CountsPerNeighbourInAllAndPerMinute()
    {
        ManualTimeProvider time = new();
        CircuitAdmission admission = new(new RelayLimits { MaxCircuits = 3, MaxCircuitsPerPeer = 2, OpensPerMinute = 4 }, time);
        PeerId[] peers = [.. Enumerable.Range(0, 3).Select(_ => NewPeer())];
        IDisposable first = admission.TryEnter(peers[0])!;
        IDisposable second = admission.TryEnter(peers[0])!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(admission.TryEnter(peers[0]), Is.Null, "two per neighbour");
            Assert.That(admission.TryEnter(peers[1]), Is.Not.Null);
            Assert.That(admission.TryEnter(peers[2]), Is.Null, "three in all");
        }

        first.Dispose();
        first.Dispose();
        Assert.That(admission.Count, Is.EqualTo(2), "a place is given back once");
        admission.TryEnter(peers[0])!.Dispose();
        admission.TryEnter(peers[0])!.Dispose();
        second.Dispose();
        Assert.That(admission.TryEnter(peers[0]), Is.Null, "four per minute");
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.That(admission.TryEnter(peers[0]), Is.Not.Null);
    }

    /// <summary>Peer ids cost nothing: with a few of them one owner could have every place.</summary>
    [Test]
    public void Admission_OfManyNeighboursInOneNetwork_LeavesHalfToOthers()
    {
        CircuitAdmission admission = new(new RelayLimits(), new ManualTimeProvider());
        List<IDisposable> places = [];
        for (int i = 0; i < 300; i++)
        {
            if (admission.TryEnter(NewPeer(), "2C0102") is { } place)
            {
                places.Add(place);
            }
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(places, Has.Count.EqualTo(128));
            Assert.That(admission.TryEnter(NewPeer(), "2C0103"), Is.Not.Null);
            Assert.That(admission.TryEnter(NewPeer(), network: null), Is.Not.Null, "one machine or one LAN");
            places[0].Dispose();
            Assert.That(admission.TryEnter(NewPeer(), "2C0102"), Is.Not.Null);
        }
    }

    internal static PeerId NewPeer()
    {
        using Cocoon.Protocol.Cryptography.Ed25519PrivateKey key = Cocoon.Protocol.Cryptography.Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }

    private static async Task Eventually(Func<bool> condition, CancellationToken cancellationToken)
    {
        while (!condition())
        {
            cancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
