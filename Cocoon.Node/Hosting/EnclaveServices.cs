using Cocoon.Node.Enclaves;
using Cocoon.Node.Serving;

namespace Cocoon.Node.Hosting;

/// <summary>The provider's enclave process and its supervisor.</summary>
internal static class EnclaveServices
{
    public static IServiceCollection AddEnclave(this IServiceCollection services, ServingOptions serving)
    {
        services.AddSingleton(provider => new EnclaveSupervisorOptions
        {
            ModelPath = serving.ModelPath,
            ModelName = serving.ModelName,
            Upstream = serving.Upstream,
            UpstreamModel = serving.UpstreamModel,
            UpstreamKey = serving.UpstreamKey,
            Slots = (int)serving.Slots,
            ContextTokens = (int)serving.ContextTokens,
            Threads = (int)serving.Threads,
            Gpu = serving.Gpu,
            WorkPercent = serving.WorkPercent,
            PeerId = provider.GetRequiredService<NodeIdentity>().Peer.ToArray(),
            MaxSessions = serving.MaxSessions,
            CollateralFolder = Path.Combine(provider.GetRequiredService<Storage.DataDirectory>().Path, "collateral"),
        });
        services.AddSingleton<EnclaveSupervisor>().AddSingleton<IEnclave>(provider => provider.GetRequiredService<EnclaveSupervisor>());
        services.AddHostedService(provider => provider.GetRequiredService<EnclaveSupervisor>());
        return services;
    }
}
