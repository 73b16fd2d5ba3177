namespace Cocoon.Node.Serving;

/// <summary>Why a provider takes no new work.</summary>
[Flags]
internal enum ServingPause
{
    None = 0,

    /// <summary>The owner said so.</summary>
    Owner = 1,

    /// <summary>Outside of the hours that the owner set.</summary>
    Schedule = 2,

    /// <summary>The node is stopping.</summary>
    Stopping = 4,
}

/// <summary>Whether this provider takes new sessions. Running answers always go on; offers are withdrawn while it does not.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class ServingSwitch
{
    private readonly Lock _lock = new();
    private ServingPause _paused;

    /// <summary>Raised after the answer to <see cref="IsOpen"/> changed. Handlers return quickly.</summary>
    public event Action? Changed;

    public ServingPause Paused
    {
        get
        {
            lock (_lock)
            {
                return _paused;
            }
        }
    }

    public bool IsOpen => Paused == ServingPause.None;

    /// <summary>In words: <c>serving</c>, or <c>paused</c> with why.</summary>
    public string Word => Paused switch
    {
        ServingPause.None => "serving",
        var p when p.HasFlag(ServingPause.Stopping) => "stopping",
        var p when p.HasFlag(ServingPause.Owner) => "paused by its owner",
        _ => "paused by its schedule",
    };

    public void Set(ServingPause reason, bool paused)
    {
        bool changed;
        lock (_lock)
        {
            bool before = _paused == ServingPause.None;
            _paused = paused ? _paused | reason : _paused & ~reason;
            changed = before != (_paused == ServingPause.None);
        }

        if (changed)
        {
            Changed?.Invoke();
        }
    }
}
