using System.Security.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Mdns;

/// <summary>A peer that announced itself on the local network. A hint: only a connection proves it.</summary>
/// <param name="Addresses">Without <c>/p2p</c>; private ones only (loopback ones from the loopback interface).</param>
public sealed record LanPeer(PeerId Peer, IReadOnlyList<Multiaddr> Addresses);

/// <summary>What discovery says and understands on one interface; no socket and no timer.</summary>
internal sealed class MdnsResponder(MdnsOptions options, PeerId local, bool isLoopback, Func<IReadOnlyList<Multiaddr>> addresses, TimeProvider time)
{
    private const string Attribute = "dnsaddr=";

    /// <summary>Of the peer name: 32 to 63 letters and digits, and not the peer id (specification).</summary>
    private const int NameLength = 40;

    private readonly string _name = RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz0123456789", NameLength);
    private long _answeredAt = long.MinValue;

    public byte[] Query() => DnsMessageWriter.Query(options.Service);

    /// <summary>Our own record, or <c>null</c> when there is nothing to announce here.</summary>
    /// <param name="isFarewell">Takes it back.</param>
    public byte[]? Answer(bool isFarewell = false)
    {
        string[] texts =
        [
            .. addresses().Where(IsOfThisNetwork)
                .Select(address => Attribute + address.WithPeer(local))
                .Where(text => text.Length <= DnsMessageWriter.MaxText)
                .Take(options.AnnouncedAddresses),
        ];
        return texts.Length == 0 ? null : DnsMessageWriter.Answer(options.Service, _name, texts, isFarewell ? TimeSpan.Zero : options.TimeToLive);
    }

    /// <summary>Whether the message asks for peers and it is time to answer; counts as answered then.</summary>
    public bool TryTakeQuestion(DnsMessage message)
    {
        bool isAsked = !message.IsResponse && message.Questions.Any(q => q.Name == options.Service && q.Type is DnsType.Ptr or DnsType.Any);
        if (!isAsked || (_answeredAt != long.MinValue && time.GetElapsedTime(_answeredAt) < options.AnswerInterval))
        {
            return false;
        }

        _answeredAt = time.GetTimestamp();
        return true;
    }

    /// <summary>The peers that a message announces; ourselves not among them.</summary>
    public IReadOnlyList<LanPeer> ReadPeers(DnsMessage message)
    {
        if (!message.IsResponse)
        {
            return [];
        }

        HashSet<string> instances =
        [
            .. message.Records.Where(r => r is { Type: DnsType.Ptr, Seconds: > 0 } && r.Name == options.Service).Select(r => r.Target!),
        ];
        return
        [
            .. message.Records
                .Where(r => r.Type == DnsType.Txt && instances.Contains(r.Name))
                .SelectMany(r => r.Texts)
                .Where(text => text.StartsWith(Attribute, StringComparison.Ordinal))
                .Select(text => Multiaddr.TryParse(text[Attribute.Length..], out Multiaddr? address) ? address : null)
                .OfType<Multiaddr>()
                .Distinct()
                .Take(options.AddressesPerMessage)
                .Where(address => address.Peer is { } peer && peer != local && IsOfThisNetwork(address))
                .GroupBy(address => address.Peer!)
                .Select(group => new LanPeer(group.Key, [.. group.Select(address => address.WithoutPeer())])),
        ];
    }

    /// <summary>Strangers on the network must not make us dial the world, nor services on this machine.</summary>
    private bool IsOfThisNetwork(Multiaddr address) =>
        !address.IsRelayed && address.IpAddress is { } ip && IpScopes.Of(ip) == (isLoopback ? IpScope.Loopback : IpScope.Private);
}
