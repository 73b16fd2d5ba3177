using System.Collections.Immutable;

namespace Cocoon.Enclave.Inference;

/// <summary>Texts to turn into vectors.</summary>
internal sealed record EmbeddingRequest
{
    /// <summary>Name or id of a served model; <c>null</c> takes the only one.</summary>
    public string? Model { get; init; }

    /// <summary>1 to <see cref="RequestChecks.MaxInputs"/> texts or token lists, each within the context.</summary>
    public required ImmutableArray<PromptInput> Inputs { get; init; }

    /// <summary>Leading values kept of each vector, which is then brought back to unit length; <c>null</c> keeps all.</summary>
    public int? Dimensions { get; init; }

    /// <summary>Who must allow each input; <c>null</c>: nobody.</summary>
    public TokenGate? Gate { get; init; }
}
