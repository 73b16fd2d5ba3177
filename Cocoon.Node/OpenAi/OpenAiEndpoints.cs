using System.Net;
using System.Text.Json;
using Cocoon.Node.Sessions;

namespace Cocoon.Node.OpenAi;

/// <summary>The routes of the OpenAI-compatible API. They answer loopback hosts only, whatever the listener is bound to.</summary>
internal static class OpenAiEndpoints
{
    public static IServiceCollection AddOpenAi(this IServiceCollection services, ClientDefaults defaults) =>
        services.AddSingleton(defaults).AddSingleton<TenantSecrets>().AddSingleton<ChatCompletionsEndpoint>();

    public static void MapOpenAi(this WebApplication app)
    {
        ChatCompletionsEndpoint chat = app.Services.GetRequiredService<ChatCompletionsEndpoint>();
        IInferenceClient client = app.Services.GetRequiredService<IInferenceClient>();
        app.MapPost("/v1/chat/completions", chat.HandleAsync);
        app.MapGet("/v1/models", context => WriteModelsAsync(context, client));
        app.MapGet("/v1/models/{**id}", (HttpContext context, string id) => WriteModelAsync(context, client, id));
        app.MapGet("/health", () => Results.Ok(new { status = "ok" }));
        app.MapFallback("/v1/{**path}", context => new OpenAiError(
            StatusCodes.Status404NotFound, "invalid_request_error", "unknown_url", null,
            $"Unknown request URL: {context.Request.Method} {context.Request.Path}.").WriteAsync(context.Response, context.RequestAborted));
    }

    /// <summary>Refuses a foreign Host header: a web page that rebinds its own name to 127.0.0.1 must not reach the API.</summary>
    public static bool IsLocalHost(HostString host) =>
        host.Host is "localhost" or "" || (IPAddress.TryParse(host.Host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    private static async Task WriteModelsAsync(HttpContext context, IInferenceClient client)
    {
        context.Response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (OfferedModel model in client.Models)
        {
            WriteModel(json, model);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted);
    }

    private static async Task WriteModelAsync(HttpContext context, IInferenceClient client, string id)
    {
        if (client.Models.FirstOrDefault(m => m.Name == id) is not { } model)
        {
            await new OpenAiError(StatusCodes.Status404NotFound, "invalid_request_error", "model_not_found", "model",
                $"No provider offers the model '{id}' now.").WriteAsync(context.Response, context.RequestAborted);
            return;
        }

        context.Response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter);
        WriteModel(json, model);
        await json.FlushAsync(context.RequestAborted);
    }

    private static void WriteModel(Utf8JsonWriter json, OfferedModel model)
    {
        json.WriteStartObject();
        json.WriteString("id", model.Name);
        json.WriteString("object", "model");
        json.WriteNumber("created", model.Since.ToUnixTimeSeconds());
        json.WriteString("owned_by", "cocoon");
        json.WriteStartObject("cocoon");
        json.WriteString("model_id", model.ModelId);
        json.WriteString("tier", model.Tier);
        json.WriteNumber("providers", model.Providers);
        json.WriteNumber("context_tokens", model.ContextTokens);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
