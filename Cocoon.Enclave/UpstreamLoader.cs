using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.Upstream;
using Cocoon.Enclave.Ipc;
using Cocoon.Protocol.Enclaves.Proto;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave;

/// <summary>The upstream engine for a Configure frame.</summary>
internal static class UpstreamLoader
{
    public static async Task<IInferenceEngine> LoadAsync(Configure configure, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        if (configure.Upstream is not { } upstream || !Uri.TryCreate(upstream.Endpoint, UriKind.Absolute, out Uri? endpoint))
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, "an upstream server's address is http://127.0.0.1 and a port");
        }

        UpstreamOptions defaults = new() { Endpoint = endpoint };
        UpstreamOptions options = new()
        {
            Endpoint = endpoint,
            Model = upstream.Model.Length > 0 ? upstream.Model : null,
            ApiKey = upstream.ApiKey.Length > 0 ? upstream.ApiKey : null,
            OfferedName = configure.ModelName.Length > 0 ? configure.ModelName : null,
            Slots = configure.Slots > 0 ? (int)configure.Slots : defaults.Slots,
            ContextTokens = (int)configure.ContextTokens,
        };
        return await UpstreamEngine.ConnectAsync(options, new PipeLogger<UpstreamEngine>(logger), time, cancellationToken);
    }
}
