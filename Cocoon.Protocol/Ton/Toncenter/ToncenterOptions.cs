namespace Cocoon.Protocol.Ton.Toncenter;

/// <summary>A toncenter-v2 server.</summary>
/// <param name="Url">Base of the API, for example <c>https://host/api/v2/</c>.</param>
/// <param name="ApiKey">Sent as <c>X-API-Key</c>; a secret.</param>
internal sealed record ToncenterEndpoint(Uri Url, string? ApiKey = null)
{
    public override string ToString() => Url.ToString();
}

/// <summary>How <see cref="ToncenterClient"/> behaves.</summary>
internal sealed record ToncenterOptions
{
    /// <summary>Tried in order, starting with the last one that worked.</summary>
    public required IReadOnlyList<ToncenterEndpoint> Endpoints { get; init; }

    /// <summary>Of one HTTP exchange.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Of one call with all its retries.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Rounds over all endpoints before giving up.</summary>
    public int MaxRounds { get; init; } = 4;

    /// <summary>Doubled each round, with 20 % jitter.</summary>
    public TimeSpan FirstBackOff { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>A full page of transactions with large bodies stays below 8 MiB.</summary>
    public int MaxResponseBytes { get; init; } = 8 * 1024 * 1024;
}
