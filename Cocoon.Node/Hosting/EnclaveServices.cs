using Cocoon.Node.Enclaves;
using Cocoon.Node.Serving;

namespace Cocoon.Node.Hosting;

/// <summary>Composes the models that a provider serves.</summary>
internal static class EnclaveServices
{
    public static IServiceCollection AddEnclaves(this IServiceCollection services, ServingOptions serving)
    {
        services.AddSingleton(provider => new EnclaveGroup(
        [
            .. serving.Models.Select(model => new EnclaveSupervisor(
                Options(provider, serving, model), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<EnclaveSupervisor>>())),
        ]));
        services.AddSingleton(provider => new OfferedModels(
        [
            .. serving.Models.Zip(provider.GetRequiredService<EnclaveGroup>().Supervisors, (model, enclave) => new OfferedModel(enclave, model, new ServingPrices(model, serving.AutoPrice))),
        ]));
        services.AddHostedService(provider => provider.GetRequiredService<EnclaveGroup>());
        return services;
    }

    private static EnclaveSupervisorOptions Options(IServiceProvider provider, ServingOptions serving, ModelServingOptions model) => new()
    {
        ModelPath = model.ModelPath,
        ExpectedModelId = model.StoredModelId,
        ModelName = model.ModelName,
        Upstream = model.Upstream,
        UpstreamModel = model.UpstreamModel,
        UpstreamKey = model.UpstreamKey,
        Slots = (int)model.Slots,
        ContextTokens = (int)model.ContextTokens,
        Threads = (int)model.Threads,
        Gpu = model.Gpu,
        WorkPercent = model.WorkPercent,
        PeerId = provider.GetRequiredService<NodeIdentity>().Peer.ToArray(),
        MaxSessions = serving.MaxSessions,
        CollateralFolder = Path.Combine(provider.GetRequiredService<Storage.DataDirectory>().Path, "collateral"),
    };
}
