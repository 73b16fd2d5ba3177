using Cocoon.Protocol.PrivacyRelay;

namespace Cocoon.Node.PrivacyRelay;

/// <summary>Takes circuits while the node runs.</summary>
internal sealed class RelayRunner(RelayService relay) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        relay.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        relay.Stop();
        return Task.CompletedTask;
    }
}
