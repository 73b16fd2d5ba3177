using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Tests.Support;

/// <summary>Addresses as long as a stranger's may be: with anything more at their end they are longer.</summary>
internal static class LongAddresses
{
    /// <summary>Behind a relay, as a peer's address is.</summary>
    public static Multiaddr Relayed { get; } = Create(NewPeer(), "/p2p-circuit");

    /// <summary>Of the peer itself, direct.</summary>
    public static Multiaddr Of(PeerId peer) => Create(peer, "");

    private static PeerId NewPeer()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }

    private static Multiaddr Create(PeerId peer, string end)
    {
        string Text(int length) => $"/dns4/{new string('a', 253)}/tcp/1/dns4/{new string('b', length)}/p2p/{peer}{end}";
        int length = 253;
        while (!Multiaddr.TryParse(Text(length), out _))
        {
            length--;
        }

        return Multiaddr.Parse(Text(length));
    }
}
