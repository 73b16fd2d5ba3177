namespace Cocoon.Protocol.Libp2p.Protocols.Mdns;

/// <summary>Record types that discovery uses (RFC 1035, section 3.2.2).</summary>
internal enum DnsType : ushort
{
    Ptr = 12,
    Txt = 16,
    Any = 255,
}

/// <summary>A DNS message as far as multicast DNS needs it; all record sections in one list, for implementations differ in which they use.</summary>
internal sealed record DnsMessage(bool IsResponse, IReadOnlyList<DnsQuestion> Questions, IReadOnlyList<DnsRecord> Records);

/// <param name="Name">Labels joined by dots, lower case, without the final dot.</param>
internal sealed record DnsQuestion(string Name, DnsType Type);

/// <summary>A PTR or TXT record; others are skipped.</summary>
/// <param name="Seconds">Time to live; 0 takes the record back.</param>
/// <param name="Target">Of a PTR.</param>
/// <param name="Texts">Character strings of a TXT.</param>
internal sealed record DnsRecord(string Name, DnsType Type, uint Seconds, string? Target, IReadOnlyList<string> Texts);
