using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Sessions;

/// <summary>A request of an application, as it came in.</summary>
/// <param name="Body">The OpenAI request, UTF-8 JSON; travels sealed, never logged.</param>
/// <param name="MaxTokens">Completion tokens asked for; <c>null</c> when the request leaves it open.</param>
/// <param name="Relays">Privacy relays wanted between here and the provider.</param>
/// <param name="Messages">Number of messages, for the bound on template tokens.</param>
internal sealed record Ask(
    SealedRequest.Types.Endpoint Endpoint,
    string Model,
    ReadOnlyMemory<byte> Body,
    uint? MaxTokens,
    int Messages,
    Shape Shape,
    bool AllowOpenTier,
    string? Provider,
    byte[] TenantSecret,
    int Relays = 0)
{
    /// <summary>Digest of the application's key, for its own spend limit; <c>null</c> without a key.</summary>
    public string? Spender { get; init; }

    /// <summary>Answers asked for (<c>n</c>); each may have <see cref="MaxTokens"/>.</summary>
    public uint Choices { get; init; } = 1;

    /// <summary>Tiers that may answer; <c>null</c>: any that <see cref="AllowOpenTier"/> leaves.</summary>
    public IReadOnlySet<string>? Tiers { get; init; }

    /// <summary>Whose money it is, when that is not the whole wallet.</summary>
    public ISpendBudget? Budget { get; init; }

    /// <summary>The most that this request may cost, nanoTON, below the bound that follows from its tokens.</summary>
    public ulong? MaxDueNanoton { get; init; }

    /// <summary>The part of the answer that the application already has, when another provider began it.</summary>
    public Resume? Resume { get; init; }
}
