using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Node.Serving;

/// <summary>The prices that the next offer names, nanoTON per 10⁶ tokens: the owner's, or the owner's as a floor under automatic ones.</summary>
/// <remarks>Thread-safe. Offers that clients already follow keep their prices until they expire.</remarks>
internal sealed class ServingPrices
{
    /// <summary>Highest automatic price: this many times the floor.</summary>
    public const int MaxFactor = 16;

    private readonly Lock _lock = new();
    private Prices _floor;
    private double _factor = 1;

    public ServingPrices(ModelServingOptions options, bool isAutomatic)
    {
        _floor = new Prices { Prompt = options.PricePrompt, Cached = options.PriceCached, Completion = options.PriceCompletion };
        IsAutomatic = isAutomatic;
    }

    /// <summary>Raised after prices changed. Handlers return quickly.</summary>
    public event Action? Changed;

    public bool IsAutomatic { get; }

    public Prices Floor
    {
        get
        {
            lock (_lock)
            {
                return _floor.Clone();
            }
        }
    }

    /// <summary>What the floor is multiplied by, 1 to <see cref="MaxFactor"/>.</summary>
    public double Factor
    {
        get
        {
            lock (_lock)
            {
                return _factor;
            }
        }
    }

    public Prices Current
    {
        get
        {
            lock (_lock)
            {
                return new Prices { Prompt = Scale(_floor.Prompt), Cached = Scale(_floor.Cached), Completion = Scale(_floor.Completion) };
            }
        }
    }

    /// <summary>The owner's word, also while the node runs.</summary>
    public void SetFloor(Prices floor)
    {
        lock (_lock)
        {
            if (_floor.Equals(floor))
            {
                return;
            }

            _floor = floor.Clone();
        }

        Changed?.Invoke();
    }

    public void SetFactor(double factor)
    {
        lock (_lock)
        {
            factor = Math.Clamp(factor, 1, MaxFactor);
            if (factor == _factor)
            {
                return;
            }

            _factor = factor;
        }

        Changed?.Invoke();
    }

    private ulong Scale(ulong price) => (ulong)Math.Round(price * _factor);
}
