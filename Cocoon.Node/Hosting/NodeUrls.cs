using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Cocoon.Node.Hosting;

/// <summary>Where a running node answers HTTP.</summary>
internal static class NodeUrls
{
    /// <summary>Base URL of the OpenAI API with its real port, or <c>null</c> for a node without one.</summary>
    public static string? Api(WebApplication app) => Api(app.Services.GetRequiredService<IServer>());

    public static string? Api(IServer server) => server.Features.Get<IServerAddressesFeature>()?.Addresses
        .Where(a => a.StartsWith("http://", StringComparison.Ordinal) && !a.StartsWith("http://unix:", StringComparison.Ordinal))
        .Select(a => a.TrimEnd('/') + "/v1")
        .FirstOrDefault();
}
