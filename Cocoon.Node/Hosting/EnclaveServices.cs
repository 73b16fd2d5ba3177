using Cocoon.Node.Enclaves;
using Cocoon.Node.Serving;

namespace Cocoon.Node.Hosting;

/// <summary>The provider's enclave processes, one for each model, so that a crash costs one model.</summary>
internal sealed class EnclaveGroup(IReadOnlyList<EnclaveSupervisor> supervisors) : IHostedService, IAsyncDisposable
{
    public IReadOnlyList<EnclaveSupervisor> Supervisors { get; } = supervisors;

    public Task StartAsync(CancellationToken cancellationToken) => Task.WhenAll(Supervisors.Select(s => s.StartAsync(cancellationToken)));

    public Task StopAsync(CancellationToken cancellationToken) => Task.WhenAll(Supervisors.Select(s => s.StopAsync(cancellationToken)));

    public async ValueTask DisposeAsync()
    {
        foreach (EnclaveSupervisor supervisor in Supervisors)
        {
            await supervisor.DisposeAsync();
        }
    }
}

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
