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
