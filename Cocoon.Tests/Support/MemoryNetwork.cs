using System.Collections.Concurrent;
using System.Net;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Tests.Support;

/// <summary>Hosts that reach each other in memory, with a latency per link on the given clock.</summary>
/// <remarks>Addresses are <c>/ip4/10.x.y.z/tcp/4001</c>, so diversity rules see what they would see on a network; other IPs can be given.</remarks>
internal sealed class MemoryNetwork(TimeProvider? time = null) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Multiaddr, MemoryHost> _byAddress = new();
    private int _count;

    public TimeProvider Time { get; } = time ?? TimeProvider.System;

    /// <summary>One-way latency of a link; zero unless set.</summary>
    public Func<PeerId, PeerId, TimeSpan> Latency { get; init; } = static (_, _) => TimeSpan.Zero;

    public IReadOnlyCollection<MemoryHost> Hosts => [.. _byAddress.Values];

    /// <param name="key">Its identity; a fresh one when absent.</param>
    /// <param name="ip">Its address; the next of 10.0.0.0/8 when absent.</param>
    public MemoryHost AddHost(Ed25519PrivateKey? key = null, IPAddress? ip = null)
    {
        int number = Interlocked.Increment(ref _count);
        ip ??= new IPAddress([10, (byte)(number >> 16), (byte)(number >> 8), (byte)number]);
        key ??= Ed25519PrivateKey.Generate();
        MemoryHost host = new(this, key, Multiaddr.FromEndPoint(new IPEndPoint(ip, 4001)));
        if (!_byAddress.TryAdd(host.Address, host))
        {
            throw new ArgumentException($"{host.Address} is taken.", nameof(ip));
        }

        return host;
    }

    /// <summary>Makes every host know the addresses of all others, without connecting.</summary>
    public void IntroduceAll()
    {
        foreach (MemoryHost host in Hosts)
        {
            foreach (MemoryHost other in Hosts.Where(other => other != host))
            {
                host.AddAddresses(other.LocalPeer, [other.Address], TimeSpan.FromHours(1));
            }
        }
    }

    internal MemoryHost? Find(Multiaddr address) => _byAddress.GetValueOrDefault(address.WithoutPeer());

    internal void Remove(MemoryHost host) => _byAddress.TryRemove(host.Address, out _);

    public async ValueTask DisposeAsync()
    {
        foreach (MemoryHost host in Hosts)
        {
            await host.DisposeAsync();
        }
    }
}
