using System.Collections.Concurrent;
using System.Net;
using Cocoon.Protocol.PortMapping;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.PortMapping;

[CancelAfter(60_000)]
public sealed class PortMapperTests
{
    private static readonly IPEndPoint s_inside = new(IPAddress.Parse("192.168.1.7"), 4484);

    [Test]
    public async Task Lease_IsRefreshedAtItsHalf_AndGivenBackAtTheEnd()
    {
        await VirtualLoop.Enter();
        ManualTimeProvider time = new();
        Scripted pcp = new(PortMappingProtocol.Pcp) { IsRefusing = true }, natPmp = new(PortMappingProtocol.NatPmp);
        List<IPEndPoint?> changes = [];
        PortMapper mapper = new(s_inside, [pcp, natPmp], new PortMappingLimits(), time, NullLogger.Instance);
        mapper.Changed += state => changes.Add(state.Mapping?.External);
        mapper.Start();
        await time.UntilAsync(() => mapper.State.Mapping is not null, "it is mapped", TimeSpan.FromSeconds(1));
        await time.UntilAsync(() => natPmp.Asked.Count == 2, "it is refreshed", TimeSpan.FromMinutes(31), TimeSpan.FromMinutes(1));
        Assert.That(time.GetUtcNow() - new ManualTimeProvider().GetUtcNow(), Is.GreaterThanOrEqualTo(TimeSpan.FromMinutes(30)), "not before the half");
        Assert.That(natPmp.Asked, Is.EqualTo(new[] { 4484, 4484 }), "the same port again");
        Assert.That(pcp.Asked, Has.Count.EqualTo(1), "what worked is asked first");
        await mapper.DisposeAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(natPmp.GivenBack, Is.EqualTo(1));
            Assert.That(changes, Is.EqualTo(new[] { new IPEndPoint(StubGateway.Outer, 4484) }), "a refresh is no change");
        }
    }

    [Test]
    public async Task Gateway_ThatForgets_IsAskedAgain_AndTheLossIsTold()
    {
        await VirtualLoop.Enter();
        ManualTimeProvider time = new();
        Scripted client = new(PortMappingProtocol.Upnp);
        List<bool> changes = [];
        await using PortMapper mapper = new(s_inside, [client], new PortMappingLimits(), time, NullLogger.Instance);
        mapper.Changed += state => changes.Add(state.Mapping is not null);
        mapper.Start();
        await time.UntilAsync(() => changes.Count == 1, "it is mapped", TimeSpan.FromSeconds(1));
        client.IsRefusing = true;
        await time.UntilAsync(() => changes.Count == 2, "the loss is told", TimeSpan.FromMinutes(31), TimeSpan.FromMinutes(1));
        Assert.That(mapper.State.Problems, Is.EqualTo(new[] { "Upnp: no" }));
        client.IsRefusing = false;
        await time.UntilAsync(() => changes.Count == 3, "it is mapped again", TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(10));
        Assert.That(changes, Is.EqualTo(new[] { true, false, true }));
    }

    [TestCase(1, 30, TestName = "a lease of a second does not make us ask each half second")]
    [TestCase(int.MaxValue, 12 * 3600, TestName = "a lease of 68 years is looked at within the day")]
    public async Task Lease_BeyondReason_IsBroughtWithinBounds(int seconds, int expected)
    {
        await VirtualLoop.Enter();
        ManualTimeProvider time = new();
        Scripted client = new(PortMappingProtocol.Pcp) { Lifetime = TimeSpan.FromSeconds(seconds) };
        await using PortMapper mapper = new(s_inside, [client], new PortMappingLimits(), time, NullLogger.Instance);
        mapper.Start();
        await time.UntilAsync(() => mapper.State.Mapping is not null, "it is mapped", TimeSpan.FromSeconds(1));
        Assert.That((mapper.State.RefreshAt!.Value - new ManualTimeProvider().GetUtcNow()).TotalSeconds, Is.EqualTo(expected).Within(1));
    }

    private sealed class Scripted(PortMappingProtocol protocol) : IPortMappingClient
    {
        public PortMappingProtocol Protocol => protocol;

        public volatile bool IsRefusing;

        public TimeSpan Lifetime { get; init; } = TimeSpan.FromHours(1);

        public ConcurrentQueue<int> Asked { get; } = new();

        public int GivenBack { get; private set; }

        public Task<MappedPort> MapAsync(IPEndPoint inside, int suggested, CancellationToken cancellationToken)
        {
            Asked.Enqueue(suggested);
            return IsRefusing ? throw new PortMappingException("no") : Task.FromResult(new MappedPort(protocol, inside, new IPEndPoint(StubGateway.Outer, suggested), Lifetime));
        }

        public Task UnmapAsync(MappedPort mapping, CancellationToken cancellationToken)
        {
            GivenBack++;
            return Task.CompletedTask;
        }
    }
}
