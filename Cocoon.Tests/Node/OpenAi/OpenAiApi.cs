using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Node.Control;
using Cocoon.Node.OpenAi;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Sessions.Proto;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Cocoon.Tests.Node.OpenAi;

/// <summary>The real HTTP face over a scripted inference client, on a free loopback port.</summary>
internal sealed class OpenAiApi : IAsyncDisposable
{
    private static readonly HttpClient s_http = new();

    private readonly WebApplication _app;
    private readonly DirectoryInfo _folder;

    private OpenAiApi(WebApplication app, DirectoryInfo folder)
    {
        _app = app;
        _folder = folder;
        BaseUrl = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/v1/");
    }

    public Uri BaseUrl { get; }

    public static async Task<OpenAiApi> StartAsync(IInferenceClient client, Action<KestrelServerOptions>? configure = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            configure?.Invoke(kestrel);
        });
        builder.Services.AddSingleton(TimeProvider.System).AddSingleton(client);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cocoon-api-");
        CocoonDatabase database = CocoonDatabase.Open(Path.Combine(folder.FullName, "node.db"));
        builder.Services.AddSingleton(database).AddSingleton<ApiKeyStore>();
        builder.Services.AddOpenAi(new ClientDefaults(Shape.Fast, AllowOpenTier: true));
        WebApplication app = builder.Build();
        app.UseMiddleware<LocalOnly>();
        app.MapControlLess();
        await app.StartAsync();
        return new OpenAiApi(app, folder);
    }

    public ApiKeyStore Keys => _app.Services.GetRequiredService<ApiKeyStore>();

    public async Task<(HttpStatusCode Status, JsonObject Body, HttpResponseMessage Response)> PostAsync(string path, string body)
    {
        HttpResponseMessage response = await s_http.PostAsync(new Uri(BaseUrl, path), new StringContent(body, Encoding.UTF8, "application/json"));
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!.AsObject(), response);
    }

    /// <summary>For event streams.</summary>
    public async Task<(HttpStatusCode Status, string Body)> PostTextAsync(string path, string body)
    {
        using HttpResponseMessage response = await s_http.PostAsync(new Uri(BaseUrl, path), new StringContent(body, Encoding.UTF8, "application/json"));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}

internal static class OpenAiApiRoutes
{
    public static void MapControlLess(this WebApplication app)
    {
        app.MapOpenAi();
        app.MapGet("/control/status", () => "never over TCP");
    }
}
