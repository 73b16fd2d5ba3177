using System.Text.Json;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>The <c>cocoon</c> object of a request: our extensions, all optional.</summary>
/// <param name="Shape"><c>steady</c>, <c>fast</c> or <c>batch</c>.</param>
/// <param name="AllowOpenTier"><c>allow_open</c>: whether a provider without hardware protection may see the prompt.</param>
/// <param name="Provider">Peer id to use, and no other.</param>
/// <param name="Relays">The least number of privacy relays between here and the provider, 0 to 2; a client that used more before does not go below that.</param>
internal sealed record CocoonExtension(Shape? Shape, bool? AllowOpenTier, string? Provider, int Relays)
{
    /// <summary>Of a stranger's field name in our answer.</summary>
    private const int MaxShown = 64;

    private static readonly HashSet<string> s_known = ["shape", "allow_open", "provider", "relays"];

    /// <remarks>A field that nobody here knows is an error, unlike in the rest of a request: a misspelled <c>relays</c> must not show an address.</remarks>
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

        if (element.EnumerateObject().Select(f => f.Name).FirstOrDefault(n => !s_known.Contains(n)) is { } unknown)
        {
            string field = unknown.Length > MaxShown ? unknown[..MaxShown] + "…" : unknown;
            return OpenAiError.BadRequest($"'cocoon.{field}' is no field of 'cocoon', which has {string.Join(", ", s_known)}.", $"cocoon.{field}");
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
            if (providerElement.ValueKind != JsonValueKind.String || !PeerId.TryParse(providerElement.GetString()!, out PeerId? peer))
            {
                return OpenAiError.BadRequest("'cocoon.provider' must be a whole peer id (12D3KooW…), as 'cocoon peers --no-trunc' prints it.", "cocoon.provider");
            }

            provider = peer.ToString();
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
