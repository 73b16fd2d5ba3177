using System.Net;
using Cocoon.Node.OpenAi.Responses;
using Cocoon.Node.Sessions;

namespace Cocoon.Node.OpenAi;

/// <summary>The routes of the OpenAI-compatible API. They answer loopback hosts only, whatever the listener is bound to.</summary>
internal static class OpenAiEndpoints
{
    /// <remarks>Needs an <see cref="ApiKeyStore"/> and an <see cref="IInferenceClient"/> beside it.</remarks>
    public static IServiceCollection AddOpenAi(this IServiceCollection services, ClientDefaults defaults) => services
        .AddSingleton(defaults).AddSingleton<TenantSecrets>().AddSingleton<ApiKeyGate>().AddSingleton<AskServices>().AddSingleton<ResponseStore>()
        .AddSingleton<ChatCompletionsEndpoint>().AddSingleton<CompletionsEndpoint>().AddSingleton<EmbeddingsEndpoint>().AddSingleton<ModelsEndpoint>()
        .AddSingleton<ResponsesEndpoint>();

    public static void MapOpenAi(this WebApplication app)
    {
        IServiceProvider services = app.Services;
        ResponsesEndpoint responses = services.GetRequiredService<ResponsesEndpoint>();
        ModelsEndpoint models = services.GetRequiredService<ModelsEndpoint>();
        app.MapPost("/v1/chat/completions", services.GetRequiredService<ChatCompletionsEndpoint>().HandleAsync);
        app.MapPost("/v1/completions", services.GetRequiredService<CompletionsEndpoint>().HandleAsync);
        app.MapPost("/v1/embeddings", services.GetRequiredService<EmbeddingsEndpoint>().HandleAsync);
        app.MapPost("/v1/responses", responses.HandleAsync);
        app.MapGet("/v1/responses/{id}", responses.RetrieveAsync);
        app.MapDelete("/v1/responses/{id}", responses.DeleteAsync);
        app.MapGet("/v1/models", models.ListAsync);
        app.MapGet("/v1/models/{**id}", models.RetrieveAsync);
        app.MapGet("/health", () => Results.Ok(new { status = "ok" }));
        app.MapFallback("/v1/{**path}", context => new OpenAiError(
            StatusCodes.Status404NotFound, "invalid_request_error", "unknown_url", null,
            $"Unknown request URL: {context.Request.Method} {context.Request.Path}.").WriteAsync(context.Response, context.RequestAborted));
    }

    /// <summary>Refuses a foreign Host header: a web page that rebinds its own name to 127.0.0.1 must not reach the API.</summary>
    public static bool IsLocalHost(HostString host) =>
        host.Host is "localhost" or "" || (IPAddress.TryParse(host.Host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));
}
