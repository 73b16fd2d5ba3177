using System.Text.Json;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>The <c>cocoon</c> object of a request: our extensions, all optional.</summary>
/// <param name="Shape"><c>steady</c>, <c>fast</c> or <c>batch</c>.</param>
/// <param name="AllowOpenTier"><c>allow_open</c>: whether a provider without hardware protection may see the prompt.</param>
/// <param name="Provider">Peer id to use, and no other.</param>
/// <param name="Relays">Privacy relays between here and the provider, 0 to 2.</param>
internal sealed record CocoonExtension(Shape? Shape, bool? AllowOpenTier, string? Provider, int Relays)
{
    public static OpenAiError? TryParse(JsonElement root, out CocoonExtension extension)
    {
        extension = new CocoonExtension(null, null, null, 0);
        if (!root.TryGetProperty("cocoon", out JsonElement element) || element.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            return OpenAiError.BadRequest("'cocoon' must be an object.", "cocoon");
        }

        Shape? shape = null;
        if (element.TryGetProperty("shape", out JsonElement shapeElement))
        {
            if (shapeElement.ValueKind != JsonValueKind.String || !TryParseShape(shapeElement.GetString()!, out Shape parsed))
            {
                return OpenAiError.BadRequest("'cocoon.shape' must be steady, fast or batch.", "cocoon.shape");
            }

            shape = parsed;
        }

        bool? allowOpen = null;
        if (element.TryGetProperty("allow_open", out JsonElement open))
        {
            if (open.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            {
                return OpenAiError.BadRequest("'cocoon.allow_open' must be a boolean.", "cocoon.allow_open");
            }

            allowOpen = open.GetBoolean();
        }

        string? provider = null;
        if (element.TryGetProperty("provider", out JsonElement providerElement))
        {
            if (providerElement.ValueKind != JsonValueKind.String || providerElement.GetString() is not { Length: > 0 and <= 128 } id)
            {
                return OpenAiError.BadRequest("'cocoon.provider' must be a peer id.", "cocoon.provider");
            }

            provider = id;
        }

        int relays = 0;
        if (element.TryGetProperty("relays", out JsonElement relaysElement)
            && (relaysElement.ValueKind != JsonValueKind.Number || !relaysElement.TryGetInt32(out relays) || relays is < 0 or > RelayProtocol.MaxRelays))
        {
            return OpenAiError.BadRequest($"'cocoon.relays' must be an integer from 0 to {RelayProtocol.MaxRelays}.", "cocoon.relays");
        }

        extension = new CocoonExtension(shape, allowOpen, provider, relays);
        return null;
    }

    public static bool TryParseShape(string text, out Shape shape)
    {
        shape = text switch
        {
            "steady" => Protocol.Sessions.Proto.Shape.Steady,
            "fast" => Protocol.Sessions.Proto.Shape.Fast,
            "batch" => Protocol.Sessions.Proto.Shape.Batch,
            _ => Protocol.Sessions.Proto.Shape.Unspecified,
        };
        return shape != Protocol.Sessions.Proto.Shape.Unspecified;
    }
}
