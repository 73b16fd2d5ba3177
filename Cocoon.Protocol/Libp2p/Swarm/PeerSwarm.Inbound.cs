using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <content>Connections that others open.</content>
internal sealed partial class PeerSwarm
{
    /// <summary>Who dialled speaks at once; who has said nothing for this long waits for us. Own choice.</summary>
    private static readonly TimeSpan PunchedSilence = TimeSpan.FromMilliseconds(300);

    private async Task AcceptLoopAsync(Socket listener)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                Socket socket = await listener.AcceptAsync(_stopping.Token);
                IPAddress address = ((IPEndPoint)socket.RemoteEndPoint!).Address;
                InboundVerdict verdict = _gate.BeginUpgrade(address);
                if (verdict == InboundVerdict.Full && await TryMakeRoomAsync())
                {
                    verdict = _gate.BeginUpgrade(address);
                }

                if (verdict != InboundVerdict.Admitted)
                {
                    socket.Dispose();
                    continue;
                }

                LinkedListNode<PendingUpgrade> pending = new(new PendingUpgrade(socket, _context.Time.GetTimestamp()));
                lock (_upgrading)
                {
                    _upgrading.AddLast(pending);
                }

                Track(UpgradeInboundAsync(socket, address, pending));
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException exception)
            {
                // Out of descriptors, or the remote was gone before we looked: the next one may work.
                Log.AcceptFailed(_context.Logger, exception.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(50), _context.Time, CancellationToken.None);
            }
        }
    }

    /// <summary>The oldest handshake makes room if it has had its time.</summary>
    private async Task<bool> TryMakeRoomAsync()
    {
        PendingUpgrade oldest;
        lock (_upgrading)
        {
            if (_upgrading.First is not { } first || _context.Time.GetElapsedTime(first.Value.Since) < _context.Limits.PendingUpgradePatience)
            {
                return false;
            }

            _upgrading.Remove(first);
            oldest = first.Value;
            oldest.Socket.Dispose();
        }

        await oldest.Ended.Task;
        return true;
    }

    private async Task UpgradeInboundAsync(Socket socket, IPAddress address, LinkedListNode<PendingUpgrade> pending)
    {
        bool opened = false;
        try
        {
            using CancellationTokenSource timeout = new(_context.Limits.UpgradeTimeout, _context.Time);
            using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _stopping.Token);
            SocketConnection raw = new(socket);
            PeerId? punched = await FindPunchedAsync(raw, (IPEndPoint)socket.RemoteEndPoint!, stop.Token);
            NoiseChannel channel = await _upgrader.UpgradeAsync(raw, isInitiator: punched is not null, punched, stop.Token);
            Forget(pending);
            PeerConnection connection = await AddAsync(channel, isOutbound: punched is not null, dialled: null);
            opened = true;
            Track(ReleaseGateAsync(connection, address));
        }
        catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            Log.InboundFailed(_context.Logger, address, exception.Message);
            socket.Dispose();
        }
        finally
        {
            Forget(pending);
            _gate.EndUpgrade(address, opened);
            pending.Value.Ended.SetResult();
        }
    }

    private void Forget(LinkedListNode<PendingUpgrade> pending)
    {
        lock (_upgrading)
        {
            if (pending.List is not null)
            {
                _upgrading.Remove(pending);
            }
        }
    }

    /// <summary>
    /// Whom we agreed to be the initiator with on this connection; <c>null</c> on any other. Others may have named the address of somebody
    /// who has just dialled us, and who has then spoken already.
    /// </summary>
    private async Task<PeerId?> FindPunchedAsync(SocketConnection raw, IPEndPoint from, CancellationToken cancellationToken)
    {
        if (!_punches.TryGet(from, out PeerId? peer))
        {
            return null;
        }

        using CancellationTokenSource silence = new(PunchedSilence, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, cancellationToken);
        try
        {
            await raw.WaitReadableAsync(stop.Token);
            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return peer;
        }
    }

    private async Task ReleaseGateAsync(PeerConnection connection, IPAddress address)
    {
        await connection.Session.Completion;
        _gate.Close(address);
    }

    private sealed record PendingUpgrade(Socket Socket, long Since)
    {
        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
