namespace Cocoon.Tests.Simulation;

/// <summary>What is simulated. The same options give the same run.</summary>
internal sealed record SimulationOptions
{
    public int Nodes { get; init; } = 100;

    /// <summary>Nodes that serve a model.</summary>
    public int Providers { get; init; } = 10;

    /// <summary>Models in the network; popularity falls off as 1/rank, among providers and users alike. 0: one for each 25 providers.</summary>
    public int Models { get; init; }

    /// <summary>Share of the nodes that is replaced per minute: a third leaves in order, a third crashes, a third loses its machine.</summary>
    public double Churn { get; init; } = 0.02;

    /// <summary>Share of the clients that others can dial; they serve the DHT too, as all providers do.</summary>
    public double Dialable { get; init; } = 0.5;

    /// <summary>Minutes that are measured, after the network has formed.</summary>
    public double Minutes { get; init; } = 3;

    /// <summary>
    /// Whether the network forms from nothing: every node joins at the bootstrap nodes within <see cref="Ramp"/>. Otherwise it is there
    /// already: nodes begin with the tables and connections that they would have, and start to gossip, announce and ask.
    /// </summary>
    public bool Cold { get; init; }

    public int Seed { get; init; } = 1;

    /// <summary>Trimming of connections, as the real host's watermarks (160 and 192), scaled down by default to keep many nodes in one process.</summary>
    public int ConnectionsLow { get; init; } = 24;

    public int ConnectionsHigh { get; init; } = 32;

    public int ModelCount => Models > 0 ? Models : Math.Max(1, Providers / 25);

    public int BootstrapCount => Math.Max(3, Nodes / 500);

    /// <summary>Milliseconds over which the nodes join.</summary>
    public long Ramp => Cold ? Math.Clamp(Nodes * 12L, 10_000, 120_000) : 6_000;

    /// <summary>Milliseconds between the last join and the first measurement.</summary>
    public long Settle => Cold ? 60_000 : 25_000;

    /// <summary>Connections to peers of its table that a node of a warm start has dialled, no more than a node looks for; those that can be dialled have as many again from others, or more.</summary>
    public int WarmConnections => Math.Min(ConnectionsLow / 3, 10);

    /// <summary>Share of a warm network's users that still have to ask for their model; the others follow it already.</summary>
    public double WarmAskers => 0.05;

    /// <summary>Milliseconds over which they ask.</summary>
    public int WarmAsking => 15_000;
}
