using System.Net;

namespace Cocoon.Protocol.PortMapping;

/// <summary>How a gateway is asked for a port.</summary>
public enum PortMappingProtocol
{
    /// <summary>Port Control Protocol, RFC 6887.</summary>
    Pcp,

    /// <summary>NAT-PMP, RFC 6886.</summary>
    NatPmp,

    /// <summary>UPnP Internet Gateway Device, WANIPConnection or WANPPPConnection.</summary>
    Upnp,
}

/// <summary>A TCP port that a gateway says it forwards to us. A claim: only somebody outside can prove it.</summary>
/// <param name="External">The gateway's outer address and port.</param>
/// <param name="Lifetime">How long the gateway keeps it without a refresh; <c>null</c>: until it restarts.</param>
public sealed record MappedPort(PortMappingProtocol Protocol, IPEndPoint Internal, IPEndPoint External, TimeSpan? Lifetime);

/// <summary>The gateway did not answer, refused, or answered nonsense.</summary>
public sealed class PortMappingException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>One way to ask a gateway.</summary>
internal interface IPortMappingClient
{
    PortMappingProtocol Protocol { get; }

    /// <summary>Asks for, or refreshes, a mapping of <paramref name="inside"/>.</summary>
    /// <param name="suggested">The outer port wanted; the gateway may choose another.</param>
    /// <exception cref="PortMappingException">It was not had.</exception>
    Task<MappedPort> MapAsync(IPEndPoint inside, int suggested, CancellationToken cancellationToken);

    /// <summary>Gives the mapping back.</summary>
    /// <exception cref="PortMappingException">The gateway did not confirm.</exception>
    Task UnmapAsync(MappedPort mapping, CancellationToken cancellationToken);
}
