using System.Text;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Gossipsub 1.1 with IDONTWANT of 1.2: publish and subscribe over the host's connections, with scored peers and signed messages.</summary>
/// <remarks>
/// Message ids are <c>from ++ seqno</c>, StrictSign is the only policy, peer exchange is off. The router dials nobody: it gossips
/// with whoever is connected, so somebody has to connect to peers of the same topics.
/// </remarks>
public sealed partial class GossipsubRouter : IAsyncDisposable
{
    private readonly ILibp2pHost _host;
    private readonly Ed25519PrivateKey _key;
    private readonly GossipsubOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly GossipsubCore _core;
    private readonly TaskGroup _tasks = new();
    private readonly ValidationPipeline _validation;
    private readonly GossipPeerSessions _sessions;
    private readonly CancellationTokenSource _stopping = new();
    private long _sequence;
    private int _state;

    /// <param name="key">The key of the host's peer id; the router signs with it and does not dispose it.</param>
    /// <exception cref="ArgumentException">The key is not that of the host.</exception>
    public GossipsubRouter(
        ILibp2pHost host, Ed25519PrivateKey key, GossipsubOptions? options = null, TimeProvider? time = null, ILogger<GossipsubRouter>? logger = null)
    {
        if (PeerId.FromPublicKey(key.PublicKey) != host.LocalPeer)
        {
            throw new ArgumentException("The key is not that of the host.", nameof(key));
        }

        _host = host;
        _key = key;
        _options = options ?? new GossipsubOptions();
        _time = time ?? TimeProvider.System;
        _logger = logger ?? NullLogger<GossipsubRouter>.Instance;
        _core = new GossipsubCore(host.LocalPeer, _options, _time) { MeshChanged = ProtectMesh };
        _validation = new ValidationPipeline(_core, _options, _time, _logger);
        _sessions = new GossipPeerSessions(host, _core, _validation, _options, _time, _tasks, _logger);

        // Rises over restarts: some implementations drop messages whose number does not.
        _sequence = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
    }

    /// <summary>Serves the protocol and begins to gossip with connected peers. Once.</summary>
    public void Start()
    {
        if (Interlocked.CompareExchange(ref _state, 1, 0) != 0)
        {
            throw new InvalidOperationException("The router was started already.");
        }

        _validation.Start(_tasks, _stopping.Token);
        _sessions.Start();
        _tasks.Run(() => HeartbeatAsync(_stopping.Token));
    }

    /// <summary>Joins a topic; disposing the result leaves it.</summary>
    /// <param name="topic">At most 256 bytes of UTF-8.</param>
    /// <param name="validator">Decides on each message before it is delivered or forwarded.</param>
    /// <param name="handler">Gets each accepted message of others, not our own.</param>
    /// <exception cref="InvalidOperationException">There is a subscription to the topic already.</exception>
    public ValueTask<IAsyncDisposable> SubscribeAsync(
        string topic, TopicValidator validator, TopicHandler handler, CancellationToken cancellationToken = default)
    {
        CheckTopic(topic);
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_state == 2, this);
        GossipTopic joined = new(topic, validator, handler);
        _core.Join(joined);
        return ValueTask.FromResult<IAsyncDisposable>(new Subscription(_core, joined));
    }

    /// <summary>Signs and sends a message; it need not be subscribed to.</summary>
    /// <returns>To how many neighbours it was queued at once; with 0 it is still announced to those who come within three heartbeats.</returns>
    /// <exception cref="ArgumentException">The data is larger than <see cref="GossipsubOptions.MaxMessageBytes"/>.</exception>
    public ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        CheckTopic(topic);
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_state == 2, this);
        if (data.Length > _options.MaxMessageBytes)
        {
            throw new ArgumentException($"A message has at most {_options.MaxMessageBytes} bytes.", nameof(data));
        }

        ulong sequence = (ulong)Interlocked.Increment(ref _sequence);
        return ValueTask.FromResult(_core.Publish(MessageSigning.Create(_key, topic, data.Span, sequence)));
    }

    /// <summary>
    /// Gossips with a connected peer from now on, because it is probably in one of our topics; connections that nobody asks for have to
    /// last a while first (<see cref="GossipsubOptions.OpenDelay"/>).
    /// </summary>
    public void Attend(PeerId peer) => _sessions.Attend(peer);

    /// <summary>Topics, meshes and scores as they are now.</summary>
    public GossipsubSnapshot Snapshot() => _core.Snapshot();

    /// <summary>Whether the topic's mesh has at least <see cref="GossipsubOptions.DegreeLow"/> peers.</summary>
    public bool HasMesh(string topic) => _core.HasMesh(topic);

    /// <summary>Neighbours that announced the topic and that we can send to.</summary>
    public IReadOnlyList<PeerId> SubscribersOf(string topic) => _core.SubscribersOf(topic);

    /// <summary>The score of a peer; 0 when unknown.</summary>
    public double ScoreOf(PeerId peer) => _core.ScoreOf(peer);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _state, 2) == 2)
        {
            return;
        }

        await _sessions.StopAsync();
        await _stopping.CancelAsync();
        await _tasks.CloseAsync();
        _sessions.Dispose();
        _stopping.Dispose();
    }

    /// <summary>A mesh that trimming of connections tears apart would lose messages until the next heartbeat.</summary>
    private void ProtectMesh(PeerId peer, string topic, bool isMember)
    {
        if (isMember)
        {
            _host.Protect(peer, "mesh:" + topic);
        }
        else
        {
            _host.Unprotect(peer, "mesh:" + topic);
        }
    }

    private static void CheckTopic(string topic)
    {
        ArgumentException.ThrowIfNullOrEmpty(topic);
        if (Encoding.UTF8.GetByteCount(topic) > GossipRpcReader.MaxTopicBytes)
        {
            throw new ArgumentException($"A topic has at most {GossipRpcReader.MaxTopicBytes} bytes.", nameof(topic));
        }
    }

    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Task.Delay(_options.FirstHeartbeatDelay, _time, cancellationToken);
            using PeriodicTimer timer = new(_options.HeartbeatInterval, _time);
            int beats = 0;
            do
            {
                _core.Beat();
                _sessions.ResetStalled();
                if (++beats % 10 == 0)
                {
                    _sessions.Reconcile();
                }

                foreach (PeerId peer in _core.Graylisted())
                {
                    Log.Graylisted(_logger, peer);
                    await _host.DisconnectAsync(peer);
                }
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    private sealed class Subscription(GossipsubCore core, GossipTopic topic) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            core.Leave(topic);
            return ValueTask.CompletedTask;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3131, LogLevel.Debug, "Disconnecting {Peer}: its gossip score is below the graylist threshold")]
        public static partial void Graylisted(ILogger logger, PeerId peer);
    }
}
