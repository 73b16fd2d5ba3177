using System.Text;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;
using Google.Protobuf;
using IdentifyMessage = Cocoon.Protocol.Libp2p.Protocols.Identify.Proto.Identify;

namespace Cocoon.Protocol.Libp2p.Protocols.Identify;

/// <summary>The messages of identify: writing our own, reading and merging the remote's.</summary>
internal static class IdentifyProtocol
{
    public const string Id = "/ipfs/id/1.0.0";
    public const string PushId = "/ipfs/id/push/1.0.0";

    /// <summary>Largest message that is read, and how many of them. go and js.</summary>
    public const int MaxMessageLength = 8 * 1024, MaxMessages = 10;

    /// <summary>Above this the signed record goes into a second message, as go does; rust refuses messages above 4 KiB.</summary>
    private const int SplitLength = 2 * 1024;

    private const int MaxTextLength = 128;

    /// <summary>Writes the message or messages and ends our side at once: readers read to the end.</summary>
    public static async ValueTask WriteAsync(IPeerStream stream, IdentifyMessage message, CancellationToken cancellationToken)
    {
        if (message.CalculateSize() > SplitLength && message.HasSignedPeerRecord)
        {
            IdentifyMessage second = new() { SignedPeerRecord = message.SignedPeerRecord };
            message.ClearSignedPeerRecord();
            await LengthPrefixed.WriteAsync(stream, message, cancellationToken);
            message = second;
        }

        await LengthPrefixed.WriteAsync(stream, message, cancellationToken);
        await stream.CloseWriteAsync(cancellationToken);
    }

    /// <summary>Reads to the end and merges.</summary>
    /// <exception cref="Libp2pException">Nothing, too much, or no identify messages.</exception>
    public static async ValueTask<IdentifyMessage> ReadAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        IdentifyMessage merged = new();
        for (int count = 0; ; count++)
        {
            byte[]? bytes = await LengthPrefixed.ReadAsync(stream, MaxMessageLength, cancellationToken);
            if (bytes is null)
            {
                return count > 0 ? merged : throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The remote identified itself by nothing.");
            }

            if (count == MaxMessages)
            {
                throw new Libp2pException(Libp2pErrorCode.ResourceLimit, "Too many identify messages.");
            }

            merged.MergeFrom(LengthPrefixed.Parse(IdentifyMessage.Parser, bytes));
        }
    }

    /// <summary>The remote's own statement over what was known, with texts and lists bounded.</summary>
    /// <exception cref="Libp2pException">The message carries another peer's key.</exception>
    public static RemoteIdentity Apply(IdentifyMessage message, RemoteIdentity? known, PeerId remote, int maxProtocols)
    {
        if (message.HasPublicKey
            && !(PublicKeyProtobuf.TryDecode(message.PublicKey.Span, out Ed25519PublicKey? key) && PeerId.FromPublicKey(key) == remote))
        {
            throw new Libp2pException(Libp2pErrorCode.PeerMismatch, "The remote identified itself by another peer's key.");
        }

        return new RemoteIdentity(
            message.HasAgentVersion ? Clean(message.AgentVersion) : known?.AgentVersion ?? "",
            message.HasProtocolVersion ? Clean(message.ProtocolVersion) : known?.ProtocolVersion ?? "",
            message.Protocols.Count > 0
                ? [.. message.Protocols.Where(protocol => protocol.Length <= MaxTextLength).Distinct(StringComparer.Ordinal).Take(maxProtocols)]
                : known?.Protocols ?? []);
    }

    /// <summary>Addresses in the message, without peer suffixes; unknown kinds are left out.</summary>
    public static IEnumerable<Multiaddr> ReadAddresses(IEnumerable<ByteString> addresses)
    {
        foreach (ByteString bytes in addresses)
        {
            if (Multiaddr.TryFromBytes(bytes.Span, out Multiaddr? address))
            {
                yield return address.WithoutPeer();
            }
        }
    }

    /// <summary>Texts of remotes end up in terminals and logs: printable ASCII only, and short.</summary>
    private static string Clean(string text)
    {
        StringBuilder clean = new(Math.Min(text.Length, MaxTextLength));
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, MaxTextLength)))
        {
            clean.Append(c is >= ' ' and <= '~' ? c : '?');
        }

        return clean.ToString();
    }
}
