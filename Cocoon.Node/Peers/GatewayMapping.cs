using System.Net;
using System.Net.NetworkInformation;
using Cocoon.Node.Hosting;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.PortMapping;

namespace Cocoon.Node.Peers;

/// <summary>Has the router forward a port to a node that serves from a private address.</summary>
/// <remarks>What the router says is a claim: it is shown, and announced only once somebody outside reached us there.</remarks>
internal sealed partial class GatewayMapping(NodeOptions options, PeerNetwork network, TimeProvider time, ILoggerFactory loggers) : IHostedService, IAsyncDisposable
{
    private readonly ILogger<GatewayMapping> _logger = loggers.CreateLogger<GatewayMapping>();
    private PortMapper? _mapper;

    /// <summary>Raised when the router gave another port, or none any more. Handlers return quickly.</summary>
    public event Action<PortMappingState>? Changed;

    /// <summary><c>null</c> when no mapping is wanted: nothing served, a public address, or no router.</summary>
    public PortMappingState? State => _mapper?.State;

    /// <summary>Where the router says we can be reached; <c>null</c> also when that is another private address.</summary>
    public Multiaddr? Candidate => State?.Mapping is { } mapping && IpScopes.Of(mapping.External.Address) == IpScope.Public ? Multiaddr.FromEndPoint(mapping.External) : null;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (options is { MapsPorts: true, Role: NodeRole.Provider or NodeRole.Bootstrap } && Gateway.Find() is { } gateway && Inside(gateway) is { } inside)
            {
                _mapper = new PortMapper(gateway, inside, new PortMappingLimits(), time, _logger);
                _mapper.Changed += OnChanged;
                _mapper.Start();
            }
        }
        catch (NetworkInformationException exception)
        {
            Log.NoInterfaces(_logger, exception.Message);
        }

        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken) => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        if (_mapper is { } mapper)
        {
            await mapper.DisposeAsync();
        }
    }

    /// <summary>The listening port as seen from the router's network; <c>null</c> when the machine has a public address, or does not listen there.</summary>
    private IPEndPoint? Inside(Gateway gateway)
    {
        bool isPublic = NetworkInterface.GetAllNetworkInterfaces()
            .Where(n => n.OperationalStatus == OperationalStatus.Up)
            .SelectMany(n => n.GetIPProperties().UnicastAddresses)
            .Any(u => u.Address.AddressFamily == gateway.Local.AddressFamily && IpScopes.Of(u.Address) == IpScope.Public);
        IPEndPoint? listening = network.Host.ListenEndPoints.FirstOrDefault(e => e.Address.Equals(IPAddress.Any) || e.Address.Equals(gateway.Local));
        return isPublic || listening is null ? null : new IPEndPoint(gateway.Local, listening.Port);
    }

    private void OnChanged(PortMappingState state)
    {
        network.Host.SetCandidateAddresses(nameof(GatewayMapping), Candidate is { } candidate ? [candidate] : []);
        Changed?.Invoke(state);
    }

    private static partial class Log
    {
        [LoggerMessage(1021, LogLevel.Warning, "The network interfaces cannot be read, so no port is mapped: {Why}")]
        public static partial void NoInterfaces(ILogger logger, string why);
    }
}
