using System.Security.Cryptography;
using Cocoon.Node.Hosting;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;

namespace Cocoon.Tests.Simulation;

/// <summary>A whole network in one process: it forms, is used, loses and gains nodes, and is measured.</summary>
internal sealed class Simulation
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan RequestWait = TimeSpan.FromSeconds(10);

    private readonly SimulationOptions _options;
    private readonly Random _random;
    private readonly List<SimNode> _nodes = [];
    private readonly List<(PeerId Peer, Multiaddr Address)> _bootstrap = [];
    private readonly SimModel[] _models;
    private int _keys;
    private bool _stopping;

    public Simulation(SimulationOptions options)
    {
        _options = options;
        _random = new Random(options.Seed);
        Network = new SimNetwork(Loop, new Random(options.Seed + 1));
        _models = [.. Enumerable.Range(0, options.ModelCount).Select(i => new SimModel($"model-{i}", SHA256.HashData(BitConverter.GetBytes(i))))];
        Measures = new SimulationMeasures(this, options);
    }

    public SimLoop Loop { get; } = new();

    public SimNetwork Network { get; }

    public SignatureMemory Signatures { get; } = new();

    public SimulationMeasures Measures { get; }

    public IReadOnlyList<SimNode> Nodes => _nodes;

    public IReadOnlyList<SimModel> Models => _models;

    public Random Random => _random;

    /// <param name="progress">Hears what goes on, now and then.</param>
    public SimulationReport Run(Action<string>? progress = null)
    {
        SynchronizationContext.SetSynchronizationContext(null);
        if (_options.Cold)
        {
            Form();
        }
        else
        {
            Loop.Schedule(Exist, 0);
        }

        long begin = 1000 + _options.Ramp + _options.Settle, end = begin + (long)(_options.Minutes * 60_000);
        Advance(begin, progress);
        Measures.Begin();
        ScheduleChurn(end);
        Advance(end, progress);
        SimulationReport report = Measures.End();
        _stopping = true;
        foreach (SimNode node in _nodes)
        {
            node.Kill(gone: false);
        }

        return Network.Faults.Count == 0 ? report : throw new AggregateException("A task of a simulated node failed.", Network.Faults);
    }

    public void OnOffer(SimNode node, VerifiedOffer offer) => Measures.OnOffer(node, offer);

    public void OnLookup(KadMessageType type, KadQueryResult result) => Measures.OnLookup(type, result);

    private void Advance(long until, Action<string>? progress)
    {
        while (Loop.Now < until)
        {
            Loop.RunUntil(Math.Min(until, Loop.Now + 10_000));
            progress?.Invoke(
                $"{Loop.Now / 1000} s: {_nodes.Count} nodes, {Loop.Steps / 1_000_000} M steps, {GC.GetTotalMemory(false) >> 20} MiB, {Environment.CpuUsage.TotalTime.TotalSeconds:F0} s of CPU, of it {GC.GetTotalPauseDuration().TotalSeconds:F0} s collecting");
        }
    }

    /// <summary>All nodes join one after the other.</summary>
    private void Form()
    {
        for (int i = 0; i < _options.BootstrapCount; i++)
        {
            Loop.Schedule(JoinBootstrap, 10 * i);
        }

        int others = _options.Nodes - _options.BootstrapCount;
        for (int i = 0; i < others; i++)
        {
            bool provides = IsProvider(i, others);
            Loop.Schedule(() => Add(provides), 1000 + (_options.Ramp * i / others));
        }
    }

    /// <summary>All nodes are there: they begin at moments of their own and then connect as their tables say.</summary>
    private void Exist()
    {
        int others = _options.Nodes - _options.BootstrapCount;
        for (int i = 0; i < _options.BootstrapCount; i++)
        {
            CreateBootstrap();
        }

        for (int i = 0; i < others; i++)
        {
            Create(IsProvider(i, others));
        }

        WarmStart warm = new(_nodes, _random);
        warm.Inform(_nodes);
        foreach (SimNode node in _nodes)
        {
            List<PeerId> neighbours = [.. warm.Fill(node, _options.WarmConnections)];
            long begin = _random.NextInt64(1_000, 1_000 + (_options.Ramp / 2)), connect = _random.NextInt64(1_000 + (_options.Ramp / 2), 1_000 + _options.Ramp);
            Loop.Schedule(() => node.Start(Known(), neighbours, TimeSpan.FromMilliseconds(connect - begin)), begin);
            if (node.Serves is not null || node.Role != NodeRole.Client)
            {
                continue;
            }

            SimModel uses = ChooseModel();
            if (_random.NextDouble() < _options.WarmAskers)
            {
                Loop.Schedule(() => Use(node, uses), _random.NextInt64(2_000 + _options.Ramp, 2_000 + _options.Ramp + _options.WarmAsking));
            }
            else
            {
                node.Follow(uses);
                neighbours.AddRange(warm.ProvidersOf(uses));
            }
        }
    }

    /// <summary>Providers are spread among the clients.</summary>
    private bool IsProvider(int index, int others) => (long)(index + 1) * _options.Providers / others > (long)index * _options.Providers / others;

    private void JoinBootstrap()
    {
        (PeerId Peer, Multiaddr Address)[] before = [.. _bootstrap];
        CreateBootstrap().Start(before);
    }

    private SimNode CreateBootstrap()
    {
        // Everybody begins at these: they hold many more connections than others, and let go of them early.
        Libp2pLimits limits = new() { ConnectionsLow = 20 * _options.ConnectionsLow, ConnectionsHigh = 20 * _options.ConnectionsHigh, ConnectionsHard = int.MaxValue };
        SimNode node = Create(serves: null, NodeRole.Bootstrap, limits, isDialable: true);
        _bootstrap.Add((node.Host.LocalPeer, node.Host.Addresses[0]));
        return node;
    }

    private (PeerId Peer, Multiaddr Address)[] Known()
    {
        (PeerId Peer, Multiaddr Address)[] known = [.. _bootstrap];
        _random.Shuffle(known);
        return known[..Math.Min(3, known.Length)];
    }

    private void Add(bool provides)
    {
        SimNode node = Create(provides);
        node.Start(Known());
        if (!provides)
        {
            SimModel uses = ChooseModel();
            Loop.Schedule(() => Use(node, uses), _random.Next(2_000, 15_000));
        }
    }

    private SimNode Create(bool provides)
    {
        Libp2pLimits limits = new()
        {
            ConnectionsLow = _options.ConnectionsLow,
            ConnectionsHigh = _options.ConnectionsHigh,
        };
        SimModel? serves = provides ? ChooseModel() : null;
        return Create(serves, provides ? NodeRole.Provider : NodeRole.Client, limits, provides || _random.NextDouble() < _options.Dialable);
    }

    private SimNode Create(SimModel? serves, NodeRole role, Libp2pLimits limits, bool isDialable)
    {
        Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(SHA256.HashData([.. BitConverter.GetBytes(_options.Seed), .. BitConverter.GetBytes(++_keys)]));
        SimHost host = new(Network, PeerId.FromPublicKey(key.PublicKey), Network.NextAddress(), new SimClock(Loop, Start), limits, isDialable);
        Network.Add(host);
        SimNode node = new(this, host, key, serves, role, isKnown: !_options.Cold && Loop.Now == 0, _options.Seed + _keys);
        _nodes.Add(node);
        return node;
    }

    private SimModel ChooseModel()
    {
        // Zipf with exponent 1, by inversion over so few ranks.
        double total = 0;
        for (int rank = 1; rank <= _models.Length; rank++)
        {
            total += 1.0 / rank;
        }

        double at = _random.NextDouble() * total;
        for (int rank = 1; rank < _models.Length; rank++)
        {
            at -= 1.0 / rank;
            if (at < 0)
            {
                return _models[rank - 1];
            }
        }

        return _models[^1];
    }

    private void Use(SimNode node, SimModel model)
    {
        if (!_stopping && !node.Host.IsDead && !node.IsLeaving)
        {
            Network.Watch(MeasureUseAsync(node, model));
        }
    }

    private async Task MeasureUseAsync(SimNode node, SimModel model)
    {
        long asked = Loop.Now;
        bool provided = _nodes.Exists(other => other.Serves == model && !other.IsLeaving && Loop.Now - other.JoinedAt > 20_000);
        int found = await node.UseAsync(model, RequestWait);
        if (provided)
        {
            Measures.OnFirstOffer(found > 0 ? Loop.Now - asked : null);
        }
    }

    private void ScheduleChurn(long end)
    {
        double perMillisecond = _options.Churn * _options.Nodes / 60_000;
        for (double at = Loop.Now; perMillisecond > 0 && at < end;)
        {
            at += -Math.Log(1 - _random.NextDouble()) / perMillisecond;
            Loop.Schedule(ReplaceOne, (long)at - Loop.Now);
        }
    }

    private void ReplaceOne()
    {
        SimNode leaver = _nodes[_options.BootstrapCount + _random.Next(_nodes.Count - _options.BootstrapCount)];
        if (leaver.IsLeaving)
        {
            return;
        }

        int way = _random.Next(3);
        if (way == 0)
        {
            Measures.OnLeave(leaver);
            leaver.Leave();
            Loop.Schedule(() => Remove(leaver, gone: false), 1_500);
        }
        else
        {
            Remove(leaver, gone: way == 2);
            Measures.OnCrash(leaver);
        }

        Add(leaver.Serves is not null);
    }

    private void Remove(SimNode node, bool gone)
    {
        node.Kill(gone);
        _nodes.Remove(node);
    }
}
