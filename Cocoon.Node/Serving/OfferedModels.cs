namespace Cocoon.Node.Serving;

/// <summary>All models of this provider, in the order its owner named them.</summary>
internal sealed class OfferedModels(IReadOnlyList<OfferedModel> all)
{
    public IReadOnlyList<OfferedModel> All { get; } = all;

    /// <summary>The ready one with this id.</summary>
    public OfferedModel? Find(ReadOnlySpan<byte> modelId)
    {
        foreach (OfferedModel model in All)
        {
            if (model.Enclave.Info is { } info && info.Ready.ModelId.Span.SequenceEqual(modelId))
            {
                return model;
            }
        }

        return null;
    }

    /// <summary>The one with this name, or with this id in hexadecimal.</summary>
    public OfferedModel? Find(string name) => All.FirstOrDefault(m =>
        m.Name == name || (m.Enclave.Info is { } info && Convert.ToHexStringLower(info.Ready.ModelId.Span) == name));
}
