using System.Threading.Tasks.Sources;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;

namespace Cocoon.Tests.Simulation;

/// <summary>One end of a simulated stream. What one end writes arrives at the other one latency later, in order.</summary>
/// <remarks>On the loop's thread only. A writer waits while a window of 256 KiB is unread, as on yamux.</remarks>
internal sealed class SimStream(SimHost owner, PeerId remotePeer, string protocol, SimConnection connection) : IPeerStream, IValueTaskSource<int>
{
    private const int Window = 256 * 1024;

    private ManualResetValueTaskSourceCore<int> _read;
    private CancellationTokenRegistration _registration;
    private readonly Queue<byte[]> _arrived = new();
    private SimStream _other = null!;
    private TaskCompletionSource? _window;
    private Memory<byte> _buffer;
    private int _offset;
    private int _unread;
    private bool _reading;
    private bool _remoteEnded;
    private bool _broken;
    private bool _ended;
    private bool _sawEnd;
    private bool _disposed;

    public SimHost Owner => owner;

    public PeerId RemotePeer => remotePeer;

    public string Protocol => protocol;

    /// <summary>Nobody here waits for bytes any more.</summary>
    public bool IsDone => _broken || (_ended && (_sawEnd || _disposed));

    public SimStream EndOf(SimHost host) => host == owner ? this : _other;

    public void Join(SimStream other) => (_other, other._other) = (other, this);

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_broken)
        {
            throw new Libp2pException(Libp2pErrorCode.StreamReset, "The stream was reset.");
        }

        if (_arrived.Count > 0)
        {
            return ValueTask.FromResult(Take(buffer));
        }

        if (_remoteEnded)
        {
            _sawEnd = true;
            return ValueTask.FromResult(0);
        }

        cancellationToken.ThrowIfCancellationRequested();
        _read.Reset();
        _reading = true;
        _buffer = buffer;
        if (cancellationToken.CanBeCanceled)
        {
            _registration = cancellationToken.UnsafeRegister(static (state, token) => ((SimStream)state!).CancelRead(token), this);
        }

        return new ValueTask<int>(this, _read.Version);
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_broken || _ended)
        {
            throw new Libp2pException(Libp2pErrorCode.StreamReset, "The stream was reset.");
        }

        if (_other._unread > 0 && _other._unread + buffer.Length > Window)
        {
            return WaitAndWriteAsync(buffer, cancellationToken);
        }

        Send(buffer.ToArray());
        return ValueTask.CompletedTask;
    }

    public ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        if (!_ended && !_broken)
        {
            _ended = true;
            connection.Deliver(_other, null);
        }

        return ValueTask.CompletedTask;
    }

    public void Reset()
    {
        if (!_broken)
        {
            Break();
            connection.Reset(_other);
        }
    }

    public ValueTask DisposeAsync()
    {
        _disposed = true;
        if (!_ended)
        {
            Reset();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>A chunk, or the end, came in.</summary>
    public void Arrive(byte[]? chunk)
    {
        if (_broken || owner.IsDead)
        {
            return;
        }

        if (chunk is null)
        {
            _remoteEnded = true;
        }
        else
        {
            _arrived.Enqueue(chunk);
        }

        if (_reading)
        {
            _sawEnd |= chunk is null;
            EndRead(chunk is null ? 0 : Take(_buffer));
        }
    }

    public void Break()
    {
        if (_broken)
        {
            return;
        }

        _broken = true;
        _arrived.Clear();
        _window?.TrySetResult();
        _other._window?.TrySetResult();
        if (_reading && !owner.IsDead)
        {
            FailRead(new Libp2pException(Libp2pErrorCode.StreamReset, "The stream was reset."));
        }
    }

    int IValueTaskSource<int>.GetResult(short token) => _read.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _read.OnCompleted(continuation, state, token, flags);

    private async ValueTask WaitAndWriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!_broken && !_other._broken && _other._unread > 0 && _other._unread + buffer.Length > Window)
        {
            _window = new TaskCompletionSource();
            await _window.Task.WaitAsync(cancellationToken);
        }

        await WriteAsync(buffer, cancellationToken);
    }

    private void Send(byte[] chunk)
    {
        _other._unread += chunk.Length;
        connection.Deliver(_other, chunk);
    }

    private int Take(Memory<byte> buffer)
    {
        byte[] chunk = _arrived.Peek();
        int count = Math.Min(buffer.Length, chunk.Length - _offset);
        chunk.AsSpan(_offset, count).CopyTo(buffer.Span);
        _offset += count;
        _unread -= count;
        if (_offset == chunk.Length)
        {
            _arrived.Dequeue();
            _offset = 0;
        }

        _other._window?.TrySetResult();
        return count;
    }

    private void CancelRead(CancellationToken token)
    {
        if (_reading)
        {
            FailRead(new OperationCanceledException(token));
        }
    }

    private void EndRead(int count)
    {
        (_reading, _buffer) = (false, default);
        _registration.Unregister();
        _read.SetResult(count);
    }

    private void FailRead(Exception error)
    {
        (_reading, _buffer) = (false, default);
        _registration.Unregister();
        _read.SetException(error);
    }
}
