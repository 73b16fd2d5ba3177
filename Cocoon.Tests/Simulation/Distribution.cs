namespace Cocoon.Tests.Simulation;

/// <summary>Measured values and their quantiles.</summary>
internal sealed class Distribution
{
    private readonly List<double> _values = [];
    private bool _sorted;

    public int Count => _values.Count;

    public double Mean => _values.Count == 0 ? 0 : _values.Average();

    public double Max => _values.Count == 0 ? 0 : _values.Max();

    public void Add(double value)
    {
        _values.Add(value);
        _sorted = false;
    }

    /// <summary>Nearest rank; 0 without values.</summary>
    public double Quantile(double share)
    {
        if (_values.Count == 0)
        {
            return 0;
        }

        if (!_sorted)
        {
            _values.Sort();
            _sorted = true;
        }

        return _values[Math.Clamp((int)Math.Ceiling(share * _values.Count) - 1, 0, _values.Count - 1)];
    }
}
