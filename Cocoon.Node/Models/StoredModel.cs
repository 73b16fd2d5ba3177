namespace Cocoon.Node.Models;

/// <summary>A model in the store.</summary>
/// <param name="Source">Where it came from, for people: a path or URL.</param>
/// <param name="Files">In split order; their content lies under their SHA-256.</param>
internal sealed record StoredModel(
    string Name, string Source, DateTimeOffset AddedAt, string ModelId, IReadOnlyList<ModelFileFact> Files, ModelFacts Facts, int Schema = 1)
{
    public long Size => Files.Sum(f => f.Size);
}
