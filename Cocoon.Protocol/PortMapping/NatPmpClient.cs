using System.Net;

namespace Cocoon.Protocol.PortMapping;

/// <summary>Asks a gateway by NAT-PMP.</summary>
internal sealed class NatPmpClient(IPEndPoint gateway, PortMappingLimits limits, TimeProvider time) : IPortMappingClient
{
    private readonly GatewayDatagrams _datagrams = new(gateway, limits, time);

    public PortMappingProtocol Protocol => PortMappingProtocol.NatPmp;

    public async Task<MappedPort> MapAsync(IPEndPoint inside, int suggested, CancellationToken cancellationToken)
    {
        (ushort refused, IPAddress? address) = await _datagrams.AskAsync<(ushort, IPAddress?)>(
            inside.Address, NatPmpMessage.AddressRequest(), NatPmpMessage.TryReadAddress, cancellationToken);
        if (address is null)
        {
            throw Refused(refused);
        }

        (int outer, uint seconds) = await AskAsync(inside, suggested, (uint)limits.Lifetime.TotalSeconds, cancellationToken);
        return outer != 0 && seconds != 0
            ? new MappedPort(Protocol, inside, new IPEndPoint(address, outer), TimeSpan.FromSeconds(seconds))
            : throw new PortMappingException($"The gateway {gateway} confirmed a mapping that is none.");
    }

    /// <summary>A lifetime of 0 deletes (section 3.4).</summary>
    public async Task UnmapAsync(MappedPort mapping, CancellationToken cancellationToken) => await AskAsync(mapping.Internal, 0, 0, cancellationToken);

    private async Task<(int Outer, uint Seconds)> AskAsync(IPEndPoint inside, int outer, uint seconds, CancellationToken cancellationToken)
    {
        bool Read(ReadOnlySpan<byte> datagram, out (ushort Result, int Outer, uint Seconds) answer) => NatPmpMessage.TryReadMapping(datagram, inside.Port, out answer);
        (ushort result, int given, uint lifetime) = await _datagrams.AskAsync<(ushort Result, int Outer, uint Seconds)>(
            inside.Address, NatPmpMessage.MapRequest(inside.Port, outer, seconds), Read, cancellationToken);
        return result == 0 ? (given, lifetime) : throw Refused(result);
    }

    private PortMappingException Refused(ushort result) => new($"The gateway {gateway} refused by NAT-PMP: {NatPmpMessage.Describe(result)}.");
}
