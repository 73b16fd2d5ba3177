using System.Net.Sockets;
using Cocoon.Node.OpenAi;
using Microsoft.AspNetCore.Connections.Features;

namespace Cocoon.Node.Control;

/// <summary>
/// Keeps the two faces apart: control calls only over the Unix socket (whose mode says who may), and over TCP only requests that name a
/// loopback host, so that no web page reaches the API by rebinding a name.
/// </summary>
internal sealed class LocalOnly(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context)
    {
        bool unix = context.Features.Get<IConnectionSocketFeature>()?.Socket.AddressFamily == AddressFamily.Unix;
        bool control = context.Request.Path.StartsWithSegments("/control", StringComparison.OrdinalIgnoreCase);
        if ((control && !unix) || (!unix && !OpenAiEndpoints.IsLocalHost(context.Request.Host)))
        {
            await new OpenAiError(StatusCodes.Status403Forbidden, "invalid_request_error", "forbidden", null, "This host name or path is not served here.")
                .WriteAsync(context.Response, context.RequestAborted);
            return;
        }

        await next(context);
    }
}
