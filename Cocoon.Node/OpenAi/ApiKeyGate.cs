using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;

namespace Cocoon.Node.OpenAi;

/// <summary>Tells applications apart and turns away those without a key, once there are keys.</summary>
/// <remarks>The owner's own tools come over the Unix socket, whose mode says who may; they need no key.</remarks>
internal sealed class ApiKeyGate(ApiKeyStore store, TenantSecrets tenants)
{
    private const string Scheme = "Bearer ";

    public (OpenAiError? Error, ApiCaller? Caller) Admit(HttpContext context)
    {
        string authorization = context.Request.Headers.Authorization.ToString();
        string secret = authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? authorization[Scheme.Length..].Trim() : "";
        if (store.Find(secret) is { } key)
        {
            IReadOnlySet<string>? tiers = key.Tiers.Count == 0 ? null : key.Tiers.ToHashSet();
            return (null, new ApiCaller(key.Id, tiers, new ApiKeyBudget(store, key.Id), tenants));
        }

        bool isOwner = context.Features.Get<IConnectionSocketFeature>()?.Socket.AddressFamily == AddressFamily.Unix;
        return isOwner || !store.Any
            ? (null, new ApiCaller(authorization, null, null, tenants))
            : (new OpenAiError(
                StatusCodes.Status401Unauthorized, "authentication_error", "invalid_api_key", null,
                "This client asks for an API key: send one made by 'cocoon keys new' as 'Authorization: Bearer ck-…'."), null);
    }
}
