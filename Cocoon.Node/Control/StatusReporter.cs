using Cocoon.Node.Discovery;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Hosting;
using Cocoon.Node.Peers;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Enclaves.Proto;
using Microsoft.AspNetCore.Hosting.Server;

namespace Cocoon.Node.Control;

/// <summary>The node on one page.</summary>
internal sealed class StatusReporter(
    NodeOptions options,
    PeerNetwork network,
    NetworkName name,
    OfferBook book,
    MoneyReporter money,
    IServer server,
    TimeProvider time,
    OfferedModels? models = null,
    ServingMetrics? metrics = null,
    ServingSwitch? serving = null,
    IProviderStreams? streams = null)
{
    private readonly DateTimeOffset _started = System.Diagnostics.Process.GetCurrentProcess().StartTime.ToUniversalTime();

    public async Task<StatusDocument> StatusAsync(CancellationToken cancellationToken) => new(
        ControlJson.Schema,
        NodeAgent.Version,
        name.Value,
        options.Role.ToString().ToLowerInvariant(),
        network.Host.LocalPeer.ToString(),
        [.. network.Host.Addresses.Select(a => a.WithPeer(network.Host.LocalPeer).ToString())],
        (time.GetUtcNow() - _started).TotalSeconds,
        NodeUrls.Api(server),
        streams?.LeastRelays,
        new StatusDocument.PeerCounts(
            network.Host.Connections.Select(c => c.Peer).Distinct().Count(),
            network.Host.Connections.Where(c => c.IsRelayed).Select(c => c.Peer).Distinct().Count(),
            network.Dht.PeerCount),
        book.All().Count,
        await money.ChainAsync(cancellationToken),
        models?.All.Select(Engine).FirstOrDefault(),
        [.. models?.All.Select(Engine) ?? []],
        await money.SummaryAsync(cancellationToken),
        new StatusDocument.Today(
            metrics?.Requests ?? 0,
            ControlJson.Nanoton(metrics?.EarnedNanoton ?? 0),
            metrics?.Declined ?? 0,
            metrics?.DeclinedByReason ?? new Dictionary<string, long>()));

    private StatusDocument.EngineState Engine(OfferedModel model)
    {
        IEnclave enclave = model.Enclave;
        Ready? ready = enclave.Info?.Ready;
        Load load = enclave.Load;
        return new StatusDocument.EngineState(
            enclave.Status == EnclaveStatus.Ready && serving is { IsOpen: false } ? serving.Word : enclave.Status.ToString().ToLowerInvariant(),
            model.Name,
            ready is null ? null : Convert.ToHexStringLower(ready.ModelId.Span),
            ready?.Quantisation,
            ready?.Tier,
            ready?.EvidenceKind,
            ready?.Slots ?? 0,
            load.Active,
            load.Queued,
            load.DecodeTokensPerSecond > 0 ? load.DecodeTokensPerSecond : ready?.DecodeTokensPerSecond,
            ready?.Engine,
            enclave.LastFault ?? (string.IsNullOrEmpty(ready?.TemplateWarning) ? null : ready.TemplateWarning),
            enclave.Info?.ProcessId ?? 0);
    }
}
