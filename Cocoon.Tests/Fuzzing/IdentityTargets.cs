using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using NUnit.Framework;

namespace Cocoon.Tests.Fuzzing;

internal static class IdentityTargets
{
    private static readonly Ed25519PrivateKey Key = Ed25519PrivateKey.FromSeed(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        FuzzTarget.Of("identity/peer-id", 64, bytes =>
            {
                if (PeerId.TryFromBytes(bytes, out PeerId? peer))
                {
                    Assert.That(PeerId.TryParse(peer.ToString(), out PeerId? again) && again == peer, Is.True);
                }
            },
            Convert.FromHexString("00240801122003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"),
            Convert.FromHexString("1220384150e323eab36b9cda6c59f5f5abe3e9d9f906989c7e35d1bd50895166c8c3")),
        FuzzTarget.Of("identity/peer-id-text", 96, bytes => PeerId.TryParse(System.Text.Encoding.Latin1.GetString(bytes), out _),
            "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB"u8.ToArray(),
            "bafzaajaiaejcaa5ba677htqqxyoxbxiy45f4bglh4tldbg5fbvpr3xegmqjfkmny"u8.ToArray()),
        FuzzTarget.Of("identity/peer-record", 200, bytes => PeerRecord.TryOpen(bytes, out _), PeerRecord.Seal(Key, 1, [Multiaddr.Parse("/ip4/192.0.2.1/tcp/4001")])),
        FuzzTarget.Of("multiformats/multiaddr", 64, bytes =>
            {
                if (Multiaddr.TryFromBytes(bytes, out Multiaddr? address))
                {
                    Assert.That(Multiaddr.TryParse(address.ToString(), out Multiaddr? again), address.ToString());
                    Assert.That(again, Is.EqualTo(address));
                }
            },
            Convert.FromHexString("04c0000201060fa1a503260024080112202152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12a202"),
            Convert.FromHexString("360b6578616d706c652e636f6d0601bb")),
        FuzzTarget.Of("multiformats/multiaddr-text", 200, bytes =>
            {
                if (Multiaddr.TryParse(System.Text.Encoding.UTF8.GetString(bytes), out Multiaddr? address))
                {
                    Assert.That(Multiaddr.TryFromBytes(address.Bytes, out Multiaddr? again) && again.Equals(address), Is.True, address.ToString());
                    _ = (address.IpAddress, address.Peer, address.IsRelayed, address.TryGetTcpEndPoint(out _));
                }
            },
            "/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB/p2p-circuit"u8.ToArray(),
            "/dns6/example.com/tcp/443"u8.ToArray(),
            "/ip6/2606:4700::1/tcp/1"u8.ToArray()),
    ];
}
