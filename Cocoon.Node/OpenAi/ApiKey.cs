namespace Cocoon.Node.OpenAi;

/// <summary>A key of an application. The secret itself is known to nobody but its holder; amounts are nanoTON.</summary>
/// <param name="Id">8 letters and digits that also begin the secret, for people.</param>
/// <param name="Tiers">Tiers that may answer; empty: whatever the client allows.</param>
/// <param name="LimitNanoton">Most that may ever be spent; <c>null</c>: no limit.</param>
/// <param name="DailyLimitNanoton">Most per UTC day.</param>
/// <param name="SpentToday">Of <paramref name="Day"/>, days since 1970.</param>
internal sealed record ApiKey(
    string Id,
    string Name,
    IReadOnlyList<string> Tiers,
    ulong? LimitNanoton,
    ulong? DailyLimitNanoton,
    ulong Spent,
    long Day,
    ulong SpentToday,
    long Requests,
    DateTimeOffset CreatedAt);
