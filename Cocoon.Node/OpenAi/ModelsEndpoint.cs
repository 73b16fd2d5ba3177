using System.Text.Json;
using Cocoon.Node.Sessions;

namespace Cocoon.Node.OpenAi;

/// <summary><c>GET /v1/models</c> and <c>/v1/models/{id}</c>: what is on offer now, with tiers, prices and number of providers in a <c>cocoon</c> object.</summary>
internal sealed class ModelsEndpoint(IInferenceClient client, ApiKeyGate gate)
{
    public async Task ListAsync(HttpContext context)
    {
        if (gate.Admit(context).Error is { } error)
        {
            await error.WriteAsync(context.Response, context.RequestAborted);
            return;
        }

        context.Response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (AvailableModel model in client.Models)
        {
            Write(json, model);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted);
    }

    public async Task RetrieveAsync(HttpContext context, string id)
    {
        OpenAiError? error = gate.Admit(context).Error;
        AvailableModel? model = client.Models.FirstOrDefault(m => m.Name == id || m.ModelId == id);
        error ??= model is null
            ? new OpenAiError(StatusCodes.Status404NotFound, "invalid_request_error", "model_not_found", "model", "No provider offers this model now. See GET /v1/models.")
            : null;
        if (error is not null)
        {
            await error.WriteAsync(context.Response, context.RequestAborted);
            return;
        }

        context.Response.ContentType = "application/json";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter);
        Write(json, model!);
        await json.FlushAsync(context.RequestAborted);
    }

    private static void Write(Utf8JsonWriter json, AvailableModel model)
    {
        json.WriteStartObject();
        json.WriteString("id", model.Name);
        json.WriteString("object", "model");
        json.WriteNumber("created", model.Since.ToUnixTimeSeconds());
        json.WriteString("owned_by", "cocoon");
        json.WriteStartObject("cocoon");
        json.WriteString("model_id", model.ModelId);
        json.WriteString("tier", model.Tier);
        json.WriteStartObject("providers_by_tier");
        foreach ((string tier, int count) in model.Tiers.OrderBy(t => t.Key, StringComparer.Ordinal))
        {
            json.WriteNumber(tier, count);
        }

        json.WriteEndObject();
        json.WriteNumber("providers", model.Providers);
        json.WriteNumber("context_tokens", model.ContextTokens);
        json.WriteString("quantisation", model.Quantisation);
        json.WriteStartArray("capabilities");
        foreach (string capability in model.Capabilities)
        {
            json.WriteStringValue(capability);
        }

        json.WriteEndArray();
        if (model.Lowest is { } prices)
        {
            // Strings, as every amount here: nanoTON per million tokens, of the cheapest offer of each kind.
            json.WriteStartObject("prices_from_nanoton_per_million");
            json.WriteString("prompt", OpenAiJson.Amount(prices.Prompt));
            json.WriteString("cached", OpenAiJson.Amount(prices.Cached));
            json.WriteString("completion", OpenAiJson.Amount(prices.Completion));
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}
