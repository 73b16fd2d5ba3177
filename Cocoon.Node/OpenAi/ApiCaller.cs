using Cocoon.Node.Sessions;

namespace Cocoon.Node.OpenAi;

/// <summary>Who asks: what it may use and spend, and the secret that keeps its prefix cache apart from everybody else's.</summary>
/// <param name="Identity">Names the application within this process; never leaves it.</param>
/// <param name="Tiers">Tiers that may answer; <c>null</c>: whatever the client and the request allow.</param>
/// <param name="Budget"><c>null</c>: the wallet's own limits are the only ones.</param>
internal sealed record ApiCaller(string Identity, IReadOnlySet<string>? Tiers, ISpendBudget? Budget, TenantSecrets Tenants)
{
    public byte[] TenantSecret(string? user) => Tenants.For(Identity, user);
}
