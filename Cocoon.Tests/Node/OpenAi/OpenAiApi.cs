using System.Net;
using Cocoon.Node.Control;
using Cocoon.Node.OpenAi;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Cocoon.Tests.Node.OpenAi;

/// <summary>The real HTTP face over a scripted inference client, on a free loopback port.</summary>
internal sealed class OpenAiApi : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OpenAiApi(WebApplication app)
    {
        _app = app;
        BaseUrl = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/v1/");
    }

    public Uri BaseUrl { get; }

    public static async Task<OpenAiApi> StartAsync(IInferenceClient client)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddSingleton(TimeProvider.System).AddSingleton(client);
        builder.Services.AddOpenAi(new ClientDefaults(Shape.Fast, AllowOpenTier: true));
        WebApplication app = builder.Build();
        app.UseMiddleware<LocalOnly>();
        app.MapControlLess();
        await app.StartAsync();
        return new OpenAiApi(app);
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();
}

internal static class OpenAiApiRoutes
{
    public static void MapControlLess(this WebApplication app)
    {
        app.MapOpenAi();
        app.MapGet("/control/status", () => "never over TCP");
    }
}
