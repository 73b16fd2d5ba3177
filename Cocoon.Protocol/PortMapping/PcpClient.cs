using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Cocoon.Protocol.PortMapping;

/// <summary>Asks a gateway by PCP. One nonce per client: it is what proves that a refresh or a deletion is ours.</summary>
internal sealed class PcpClient(IPEndPoint gateway, PortMappingLimits limits, TimeProvider time) : IPortMappingClient
{
    private readonly GatewayDatagrams _datagrams = new(gateway, limits, time);
    private readonly byte[] _nonce = RandomNumberGenerator.GetBytes(PcpMessage.NonceLength);

    public PortMappingProtocol Protocol => PortMappingProtocol.Pcp;

    public async Task<MappedPort> MapAsync(IPEndPoint inside, int suggested, CancellationToken cancellationToken)
    {
        PcpAnswer answer = await AskAsync(inside, suggested, (uint)limits.Lifetime.TotalSeconds, cancellationToken);
        return answer is { Outer: not 0, Seconds: not 0 }
            ? new MappedPort(Protocol, inside, new IPEndPoint(answer.OuterAddress, answer.Outer), TimeSpan.FromSeconds(answer.Seconds))
            : throw new PortMappingException($"The gateway {gateway} confirmed a mapping that is none.");
    }

    /// <summary>A lifetime of 0 deletes (section 15).</summary>
    public async Task UnmapAsync(MappedPort mapping, CancellationToken cancellationToken) => await AskAsync(mapping.Internal, 0, 0, cancellationToken);

    private async Task<PcpAnswer> AskAsync(IPEndPoint inside, int outer, uint seconds, CancellationToken cancellationToken)
    {
        // No wish for an address: the all-zero one of the inner family (section 11.1).
        IPAddress any = inside.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any;
        bool Read(ReadOnlySpan<byte> datagram, out PcpAnswer answer) => PcpMessage.TryReadAnswer(datagram, _nonce, inside.Port, out answer);
        PcpAnswer answer = await _datagrams.AskAsync<PcpAnswer>(inside.Address, PcpMessage.MapRequest(_nonce, inside, outer, any, seconds), Read, cancellationToken);
        return answer.Result == 0 ? answer : throw new PortMappingException($"The gateway {gateway} refused by PCP: {answer.Words}.");
    }
}
