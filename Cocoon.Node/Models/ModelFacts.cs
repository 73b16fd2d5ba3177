using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cocoon.Node.Models;

/// <summary>What a model file says of itself, as read by the confined reader.</summary>
/// <param name="KeyLength">Elements of one attention head's key, as <paramref name="ValueLength"/> of its value.</param>
internal sealed record ModelFacts(
    string? Name,
    string Architecture,
    string Quantisation,
    long Parameters,
    long TensorBytes,
    long Layers,
    long EmbeddingLength,
    long ContextLength,
    long KeyValueHeads,
    long KeyLength,
    long ValueLength,
    long Vocabulary,
    bool ChatTemplate,
    string? Licence,
    long SplitCount,
    string? ModelId = null,
    IReadOnlyList<ModelFileFact>? Files = null);

/// <param name="Sha256">64 hexadecimal digits.</param>
internal sealed record ModelFileFact(string Name, long Size, string Sha256);

/// <summary>How model documents are written: snake case, as everywhere.</summary>
internal static class ModelJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        WriteIndented = true,
        MaxDepth = 16,
    };
}
