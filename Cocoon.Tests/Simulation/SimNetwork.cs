using System.Net;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Tests.Simulation;

/// <summary>Who is where: hosts by peer id, their distances and the tasks that their handlers run.</summary>
internal sealed class SimNetwork(SimLoop loop, Random random)
{
    /// <summary>One way across the whole map, and within one place.</summary>
    private const double FarMilliseconds = 140, NearMilliseconds = 2;

    private readonly Dictionary<PeerId, SimHost> _hosts = [];
    private readonly Dictionary<PeerId, (double X, double Y)> _places = [];
    private readonly HashSet<PeerId> _silent = [];
    private readonly HashSet<Multiaddr> _taken = [];

    public SimLoop Loop => loop;

    /// <summary>Faults of ours: exceptions that no protocol handles.</summary>
    public List<Exception> Faults { get; } = [];

    public SimHost? Find(PeerId peer) => _hosts.GetValueOrDefault(peer);

    public IReadOnlyList<Multiaddr>? AddressesOf(PeerId peer) => _hosts.GetValueOrDefault(peer)?.Addresses;

    /// <summary>Whether a dead peer's machine is gone too, so that a dial hears nothing.</summary>
    public bool IsSilent(PeerId peer) => _silent.Contains(peer);

    public void Add(SimHost host)
    {
        _hosts.Add(host.LocalPeer, host);
        _places[host.LocalPeer] = (random.NextDouble(), random.NextDouble());
    }

    public void Remove(SimHost host)
    {
        _hosts.Remove(host.LocalPeer);
        if (host.IsGone)
        {
            _silent.Add(host.LocalPeer);
        }
    }

    /// <summary>A public address that nobody else has; networks of 16 bits are spread as chance has it.</summary>
    public Multiaddr NextAddress()
    {
        while (true)
        {
            IPAddress ip = new([(byte)random.Next(11, 100), (byte)random.Next(256), (byte)random.Next(256), (byte)random.Next(1, 255)]);
            Multiaddr address = Multiaddr.FromEndPoint(new IPEndPoint(ip, 4484));
            if (IpScopes.Of(ip) == IpScope.Public && _taken.Add(address))
            {
                return address;
            }
        }
    }

    /// <summary>One way, in milliseconds.</summary>
    public long Latency(SimHost from, SimHost? to, Multiaddr address)
    {
        if (to is null)
        {
            return (long)FarMilliseconds / 2;
        }

        (double x, double y) = _places[from.LocalPeer];
        (double otherX, double otherY) = _places[to.LocalPeer];
        double distance = Math.Sqrt(((x - otherX) * (x - otherX)) + ((y - otherY) * (y - otherY))) / Math.Sqrt(2);
        return (long)Math.Round(NearMilliseconds + (distance * (FarMilliseconds - NearMilliseconds)));
    }

    /// <summary>A peer that vanished is missed by the second keep-alive.</summary>
    public long KeepAliveNotice() => random.Next(30_000, 60_000);

    public void Watch(Task task)
    {
        if (task.IsCompletedSuccessfully)
        {
            return;
        }

        task.ContinueWith(
            (done, _) => Faults.Add(done.Exception!), null, CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }
}
