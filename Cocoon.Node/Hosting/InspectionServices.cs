using Cocoon.Node.Control;
using Cocoon.Node.Diagnostics;
using Cocoon.Node.Peers;

namespace Cocoon.Node.Hosting;

/// <summary>What looks at a node and its network from inside: reporters behind the control API, the tape of events, the doctor.</summary>
internal static class InspectionServices
{
    public static IServiceCollection AddInspection(this IServiceCollection services)
    {
        services.AddSingleton<PeerNames>().AddSingleton<PeerResolver>().AddSingleton<PeerProbe>();
        services.AddSingleton<PeerReporter>().AddSingleton<PeerDetailReporter>();
        services.AddSingleton<DhtReporter>().AddSingleton<GossipReporter>().AddSingleton<RelayReporter>();
        services.AddSingleton<NetDoctor>();
        services.AddSingleton<EventFeed>().AddSingleton<MoneyWatch>();
        services.AddHostedService<EventRecorder>();
        return services;
    }
}
