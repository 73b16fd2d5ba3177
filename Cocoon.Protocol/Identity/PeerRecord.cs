using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity.Proto;
using Cocoon.Protocol.Multiformats;
using Google.Protobuf;

namespace Cocoon.Protocol.Identity;

/// <summary>The addresses a peer claims for itself (libp2p RFC 0003).</summary>
/// <param name="Sequence">Strictly rising for one peer: a record replaces those with a lower number.</param>
public sealed record PeerRecord(PeerId Peer, ulong Sequence, IReadOnlyList<Multiaddr> Addresses)
{
    // The text of the RFC says "libp2p-routing-state"; all implementations sign with this one.
    private const string Domain = "libp2p-peer-record";

    private const int MaxAddresses = 64;

    private static ReadOnlySpan<byte> PayloadType => [0x03, 0x01];

    /// <summary>The record in an envelope signed by its peer.</summary>
    public static byte[] Seal(Ed25519PrivateKey key, ulong sequence, IEnumerable<Multiaddr> addresses)
    {
        PeerRecordMessage message = new()
        {
            PeerId = UnsafeByteOperations.UnsafeWrap(PeerId.FromPublicKey(key.PublicKey).Memory),
            Seq = sequence,
        };
        message.Addresses.AddRange(addresses.Select(a => new AddressInfo { Multiaddr = ByteString.CopyFrom(a.Bytes) }));
        return SignedEnvelope.Seal(key, Domain, PayloadType, message.ToByteArray());
    }

    /// <summary><c>false</c> unless the envelope holds and its signer is the record's peer. Unknown kinds of addresses are left out.</summary>
    public static bool TryOpen(ReadOnlySpan<byte> envelope, [NotNullWhen(true)] out PeerRecord? record)
    {
        record = null;
        if (!SignedEnvelope.TryOpen(envelope, Domain, PayloadType, out Ed25519PublicKey? signer, out byte[]? payload))
        {
            return false;
        }

        PeerRecordMessage message;
        try
        {
            message = PeerRecordMessage.Parser.ParseBounded(payload);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return false;
        }

        PeerId peer = PeerId.FromPublicKey(signer);
        if (!message.PeerId.Span.SequenceEqual(peer.Bytes))
        {
            return false;
        }

        List<Multiaddr> addresses = [];
        foreach (AddressInfo info in message.Addresses.Take(MaxAddresses))
        {
            if (Multiaddr.TryFromBytes(info.Multiaddr.Span, out Multiaddr? address))
            {
                addresses.Add(address);
            }
        }

        record = new PeerRecord(peer, message.Seq, addresses);
        return true;
    }
}
