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
}

/// <summary>Gets answers from the network: choose, appraise, pay, unseal. One implementation; the seam keeps HTTP free of peers and money.</summary>
internal interface IInferenceClient
{
    /// <summary>Streams one answer. Ends with <see cref="AnswerPart.Completed"/>.</summary>
    /// <exception cref="InferenceException">The answer could not be had, or ended early.</exception>
    IAsyncEnumerable<AnswerPart> AskAsync(Ask ask, CancellationToken cancellationToken);

    /// <summary>Models on offer now, by name, with the number of providers and the best tier.</summary>
    IReadOnlyList<OfferedModel> Models { get; }
}

internal sealed record OfferedModel(string Name, string ModelId, string Tier, int Providers, uint ContextTokens, DateTimeOffset Since);
