using System.Security.Cryptography;
using System.Text.Json;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Perf;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>Our host and js-libp2p: dial both ways, identify, push, ping, bytes.</summary>
[Category("Interop")]
public sealed class JsLibp2pTests
{
    private JsPeer _js = null!;
    private Libp2pHost _host = null!;

    [SetUp]
    public async Task StartPeersAsync()
    {
        using CancellationTokenSource timeout = new(TimeSpan.FromSeconds(90));
        _js = await JsPeer.StartAsync(timeout.Token);
        _host = await TestHosts.StartAsync(servePerf: true);
    }

    [TearDown]
    public async Task StopPeersAsync()
    {
        if (_host is not null)
        {
            await _host.DisposeAsync();
        }

        if (_js is not null)
        {
            await _js.DisposeAsync();
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task JsDials_IdentifiesPingsAndEchoes(CancellationToken cancellationToken)
    {
        Task<PeerEvent.Identified> identified = _host.NextAsync<PeerEvent.Identified>(cancellationToken);
        JsonElement dialled = await _js.CallAsync("dial", new() { ["addr"] = _host.FullAddress().ToString() }, cancellationToken);
        JsonElement seen = await _js.EventAsync("identified", line => line.GetProperty("peer_id").GetString() == _host.LocalPeer.ToString(), cancellationToken);
        PeerEvent.Identified js = await identified;
        for (int i = 0; i < 3; i++)
        {
            // js opens a stream for each ping and allows one at a time: a late end of ours would fail the next.
            await _js.CallAsync("ping", new() { ["peer"] = _host.LocalPeer.ToString() }, cancellationToken);
        }

        JsonElement echo = await _js.CallAsync("echo", new() { ["peer"] = _host.LocalPeer.ToString(), ["size"] = 1024 * 1024 }, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(dialled.GetProperty("peer_id").GetString(), Is.EqualTo(_host.LocalPeer.ToString()));
            Assert.That(dialled.GetProperty("multiplexer").GetString(), Is.EqualTo("/yamux/1.0.0"));
            Assert.That(seen.GetProperty("agent").GetString(), Is.EqualTo("cocoon/0.1.0"));
            Assert.That(seen.GetProperty("protocols").EnumerateArray().Select(p => p.GetString()), Is.EquivalentTo(_host.Protocols));
            Assert.That(seen.GetProperty("addrs").EnumerateArray().Select(p => p.GetString()), Does.Contain(_host.Addresses[0].ToString()));
            Assert.That(seen.GetProperty("signed_record").GetBoolean(), Is.True);
            Assert.That(js.Peer, Is.EqualTo(_js.PeerId));
            Assert.That(js.Protocols, Does.Contain("/meshsub/1.1.0").And.Contain("/ipfs/ping/1.0.0"));
            Assert.That(_host.Connections.Single().AgentVersion, Does.Contain("libp2p"));
            Assert.That(_host.GetAddresses(_js.PeerId), Does.Contain(_js.Address.WithoutPeer()));
            Assert.That(echo.GetProperty("equal").GetBoolean(), Is.True);
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task WeDialJs_PingsAndEchoes(CancellationToken cancellationToken)
    {
        await _host.ConnectAsync(_js.Address, cancellationToken);
        for (int i = 0; i < 3; i++)
        {
            await _host.PingAsync(_js.PeerId, cancellationToken);
        }

        byte[] data = RandomNumberGenerator.GetBytes(1024 * 1024);
        await using IPeerStream stream = await _host.OpenStreamAsync(_js.PeerId, [TestHosts.EchoProtocol], cancellationToken);
        byte[] echo = await TestHosts.ExchangeAsync(stream, data, cancellationToken);
        JsonElement echoBack = await _js.CallAsync("echo", new() { ["peer"] = _host.LocalPeer.ToString(), ["size"] = 1024 * 1024 }, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(echo.AsSpan().SequenceEqual(data), Is.True);
            Assert.That(echoBack.GetProperty("equal").GetBoolean(), Is.True);
            Assert.That(_host.Connections.Single().RoundTrip, Is.Not.Null);
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task SmallExchanges_WithJs_AlwaysEnd(CancellationToken cancellationToken)
    {
        await _host.ConnectAsync(_js.Address, cancellationToken);
        for (int i = 0; i < 50; i++)
        {
            // Proposal, bytes and end fit into one segment: js misses an end that comes before its handler has started.
            byte[] data = RandomNumberGenerator.GetBytes(100);
            await using IPeerStream stream = await _host.OpenStreamAsync(_js.PeerId, [TestHosts.EchoProtocol], cancellationToken);
            Assert.That(await TestHosts.ExchangeAsync(stream, data, cancellationToken), Is.EqualTo(data));
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task Protocols_ThatChange_ArePushedBothWays(CancellationToken cancellationToken)
    {
        await _host.ConnectAsync(_js.Address, cancellationToken);
        await _js.EventAsync("identified", _ => true, cancellationToken);
        TaskCompletionSource pushed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _host.PeerChanged += peerEvent =>
        {
            if (peerEvent is PeerEvent.Identified identified && identified.Protocols.Contains("/from-js/1"))
            {
                pushed.TrySetResult();
            }
        };
        _host.Handle("/from-us/1", TestHosts.EchoAsync);
        await _js.EventAsync("updated", line => line.GetProperty("protocols").EnumerateArray().Any(p => p.GetString() == "/from-us/1"), cancellationToken);
        await _js.CallAsync("handle", new() { ["protocol"] = "/from-js/1" }, cancellationToken);
        await pushed.Task.WaitAsync(cancellationToken);
    }

    [Test, CancelAfter(120_000)]
    public async Task Perf_BothRoles_MovesTheBytes(CancellationToken cancellationToken)
    {
        const int Size = 32 * 1024 * 1024;
        await _host.ConnectAsync(_js.Address, cancellationToken);
        await using IPeerStream stream = await _host.OpenStreamAsync(_js.PeerId, [PerfProtocol.Id], cancellationToken);
        (TimeSpan upload, TimeSpan download) = await PerfProtocol.MeasureAsync(stream, Size, Size, TimeProvider.System, cancellationToken);
        JsonElement js = await _js.CallAsync("perf", new() { ["peer"] = _host.LocalPeer.ToString(), ["upload"] = Size, ["download"] = Size }, cancellationToken);
        Assert.That(js.GetProperty("received").GetInt64(), Is.EqualTo(Size));
        TestContext.Out.WriteLine(
            $"to js {8e-6 * Size / upload.TotalSeconds:F0}, from js {8e-6 * Size / download.TotalSeconds:F0}, "
            + $"js to us {8e-3 * Size / js.GetProperty("upload_ms").GetDouble():F0}, js from us {8e-3 * Size / js.GetProperty("download_ms").GetDouble():F0} Mbit/s");
    }

    [Test, CancelAfter(120_000)]
    public async Task HangUp_ByEitherSide_IsSeenByTheOther(CancellationToken cancellationToken)
    {
        Task<PeerEvent.Disconnected> seen = _host.NextAsync<PeerEvent.Disconnected>(cancellationToken);
        await _host.ConnectAsync(_js.Address, cancellationToken);
        await _js.EventAsync("identified", _ => true, cancellationToken);
        await _js.CallAsync("hang_up", new() { ["peer"] = _host.LocalPeer.ToString() }, cancellationToken);
        await seen;
        await _host.ConnectAsync(_js.Address, cancellationToken);
        await _host.DisconnectAsync(_js.PeerId);
        await _js.EventAsync("disconnected", _ => true, cancellationToken);
        Assert.That(_host.Connections, Is.Empty);
    }
}
