using Cocoon.Node.Enclaves;

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
