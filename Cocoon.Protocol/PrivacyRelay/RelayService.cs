using System.Collections.Concurrent;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.PrivacyRelay.Proto;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>A hop's side of circuits: forwards those of others when its owner opted in, and delivers those that end here.</summary>
/// <remarks>Thread-safe. Logs counts and status words, never who talks to whom.</remarks>
internal sealed partial class RelayService : IDisposable
{
    private static readonly TimeSpan HintLifetime = TimeSpan.FromMinutes(2);

    private readonly ILibp2pHost _host;
    private readonly NoiseIdentity _identity;
    private readonly RelayLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger<RelayService> _logger;
    private readonly CircuitAdmission _admission;
    private readonly ConcurrentDictionary<string, Func<IPeerStream, CancellationToken, Task>> _served = new(StringComparer.Ordinal);

    public RelayService(
        ILibp2pHost host, Ed25519PrivateKey identity, RelayLimits limits, bool forwards, TimeProvider time, ILogger<RelayService> logger)
    {
        _host = host;
        _identity = new NoiseIdentity(identity, []);
        _limits = limits;
        _time = time;
        _logger = logger;
        _admission = new CircuitAdmission(limits, time);
        Forwards = forwards;
    }

    /// <summary>Whether this node carries other people's circuits.</summary>
    public bool Forwards { get; }

    /// <summary>Circuits through or to this node now.</summary>
    public int Circuits => _admission.Count;

    /// <summary>Begins to take circuits.</summary>
    public void Start()
    {
        _host.Handle(RelayProtocol.Id, HandleAsync);
        if (Forwards)
        {
            _host.Handle(RelayProtocol.ForwardId, HandleAsync);
        }
    }

    public void Stop()
    {
        _host.Unhandle(RelayProtocol.Id);
        _host.Unhandle(RelayProtocol.ForwardId);
    }

    /// <summary>Serves <paramref name="protocol"/> also over circuits. The remote peer that the handler sees is made up for the circuit.</summary>
    public void Serve(string protocol, Func<IPeerStream, CancellationToken, Task> handler) => _served[protocol] = handler;

    public void Dispose() => _identity.Dispose();

    private async Task HandleAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        using IDisposable? place = _admission.TryEnter(stream.RemotePeer, IpGroups.NetworkOf(_host, stream.RemotePeer));
        if (place is null)
        {
            // Before any handshake: an answer that cannot be read by relays would cost what the limit saves.
            stream.Reset();
            return;
        }

        using CancellationTokenSource patience = new(_limits.HandshakeTimeout, _time);
        using CancellationTokenSource opening = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        (NoiseChannel channel, StreamConnection raw, Open open) = await CircuitHandshake.AcceptAsync(stream, _identity, opening.Token);
        switch (open.ToCase)
        {
            case Open.ToOneofCase.Forward:
                await using (CircuitStream circuit = new(channel, raw, RelayProtocol.Id))
                {
                    await ForwardAsync(circuit, open.Forward, cancellationToken);
                }

                break;
            case Open.ToOneofCase.Deliver:
                await using (CircuitStream circuit = new(channel, raw, open.Deliver.Protocol))
                {
                    await DeliverAsync(circuit, cancellationToken);
                }

                break;
            default:
                await using (CircuitStream circuit = new(channel, raw, RelayProtocol.Id))
                {
                    await AnswerAsync(circuit, OpenStatus.OpenMalformed, cancellationToken);
                }

                break;
        }
    }

    private async Task ForwardAsync(CircuitStream circuit, Forward forward, CancellationToken cancellationToken)
    {
        if (!Forwards)
        {
            await AnswerAsync(circuit, OpenStatus.OpenRefused, cancellationToken);
            return;
        }

        if (!TryRead(forward, out PeerId? peer, out IReadOnlyList<Multiaddr> addresses))
        {
            await AnswerAsync(circuit, OpenStatus.OpenMalformed, cancellationToken);
            return;
        }

        if (await DialAsync(peer, addresses, cancellationToken) is not { } next)
        {
            await AnswerAsync(circuit, OpenStatus.OpenUnreachable, cancellationToken);
            return;
        }

        await using (next)
        {
            Log.Forwarding(_logger, _admission.Count);
            await AnswerAsync(circuit, OpenStatus.OpenOk, cancellationToken);
            await CircuitForwarder.RunAsync(circuit, next, _limits, _time, cancellationToken);
        }
    }

    private async Task DeliverAsync(CircuitStream circuit, CancellationToken cancellationToken)
    {
        if (!_served.TryGetValue(circuit.Protocol, out Func<IPeerStream, CancellationToken, Task>? handler))
        {
            await AnswerAsync(circuit, OpenStatus.OpenProtocol, cancellationToken);
            return;
        }

        await AnswerAsync(circuit, OpenStatus.OpenOk, cancellationToken);
        await handler(circuit, cancellationToken);
        await circuit.CloseWriteAsync(cancellationToken);
    }

    private async Task<IPeerStream?> DialAsync(PeerId peer, IReadOnlyList<Multiaddr> addresses, CancellationToken cancellationToken)
    {
        using CancellationTokenSource patience = new(_limits.DialTimeout, _time);
        using CancellationTokenSource dialling = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            _host.AddAddresses(peer, addresses, HintLifetime);
            return await _host.OpenStreamAsync(peer, [RelayProtocol.Id], dialling.Token);
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    private bool TryRead(Forward forward, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PeerId? peer, out IReadOnlyList<Multiaddr> addresses)
    {
        List<Multiaddr> read = [];
        addresses = read;
        if (forward.Addresses.Count > RelayProtocol.MaxAddresses || !PeerId.TryFromBytes(forward.PeerId.Span, out peer) || peer == _host.LocalPeer)
        {
            peer = null;
            return false;
        }

        foreach (ByteString bytes in forward.Addresses)
        {
            // A hop is dialled where it listens: hints that lead through other relays would make this one a dialler for strangers.
            if (Multiaddr.TryFromBytes(bytes.Span, out Multiaddr? address) && !address.IsRelayed)
            {
                read.Add(address);
            }
        }

        return true;
    }

    /// <summary>After anything but OK the circuit is at its end.</summary>
    private static async Task AnswerAsync(CircuitStream circuit, OpenStatus status, CancellationToken cancellationToken)
    {
        await LengthPrefixed.WriteAsync(circuit, new Opened { Status = status }, cancellationToken);
        if (status != OpenStatus.OpenOk)
        {
            await circuit.CloseWriteAsync(cancellationToken);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1501, LogLevel.Debug, "Forwarding a circuit; {Count} in all")]
        public static partial void Forwarding(ILogger logger, int count);
    }
}
