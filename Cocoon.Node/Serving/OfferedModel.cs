using Cocoon.Node.Enclaves;

namespace Cocoon.Node.Serving;

/// <summary>One model of this provider: its enclave, its prices, and what was asked for.</summary>
internal sealed class OfferedModel(IEnclave enclave, ModelServingOptions options, ServingPrices prices)
{
    private long _turnedAway;

    public IEnclave Enclave { get; } = enclave;

    public ModelServingOptions Options { get; } = options;

    public ServingPrices Prices { get; } = prices;

    /// <summary>Name in offers; <c>null</c> before the enclave was ready for the first time, unless the owner named it.</summary>
    public string? Name => Options.ModelName.Length > 0 ? Options.ModelName : Enclave.Info?.Ready.ModelName;

    /// <summary>Sessions declined because no place was free.</summary>
    public long TurnedAway => Interlocked.Read(ref _turnedAway);

    public void CountTurnedAway() => Interlocked.Increment(ref _turnedAway);
}

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
