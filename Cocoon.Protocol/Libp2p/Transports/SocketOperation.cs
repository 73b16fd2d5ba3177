using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>One call of a socket after the other, with the socket's exceptions turned into ours: an async method that allocates nothing.</summary>
/// <remarks>One call at a time; its awaiter continues where the socket completes it, or on the context it came from.</remarks>
internal sealed class SocketOperation : IValueTaskSource<int>, IValueTaskSource
{
    private readonly Action _completed;
    private ValueTask<int> _call;
    private Action<object?>? _continuation;
    private object? _state;
    private SynchronizationContext? _context;
    private short _version;

    public SocketOperation() => _completed = Continue;

    /// <param name="call">As the socket returned it; not awaited by anybody else.</param>
    public ValueTask<int> Await(ValueTask<int> call)
    {
        if (call.IsCompletedSuccessfully)
        {
            return call;
        }

        _call = call;
        return new ValueTask<int>(this, ++_version);
    }

    /// <summary>As <see cref="Await"/>, for a call whose number says nothing.</summary>
    public ValueTask AwaitAll(ValueTask<int> call)
    {
        if (call.IsCompletedSuccessfully)
        {
            _ = call.Result;
            return ValueTask.CompletedTask;
        }

        _call = call;
        return new ValueTask(this, ++_version);
    }

    public static Libp2pException Closed(Exception exception) => new(Libp2pErrorCode.ConnectionClosed, "The TCP connection ended.", exception);

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    public int GetResult(short token)
    {
        Check(token);
        ValueTask<int> call = _call;
        _call = default;
        try
        {
            return call.GetAwaiter().GetResult();
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            throw Closed(exception);
        }
    }

    public ValueTaskSourceStatus GetStatus(short token)
    {
        Check(token);
        return !_call.IsCompleted ? ValueTaskSourceStatus.Pending
            : _call.IsCompletedSuccessfully ? ValueTaskSourceStatus.Succeeded
            : _call.IsCanceled ? ValueTaskSourceStatus.Canceled
            : ValueTaskSourceStatus.Faulted;
    }

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        Check(token);
        (_continuation, _state) = (continuation, state);
        _context = (flags & ValueTaskSourceOnCompletedFlags.UseSchedulingContext) != 0 ? SynchronizationContext.Current : null;
        _call.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(_completed);
    }

    private void Continue()
    {
        (Action<object?> continuation, object? state, SynchronizationContext? context) = (_continuation!, _state, _context);
        (_continuation, _state, _context) = (null, null, null);
        if (context is null)
        {
            continuation(state);
        }
        else
        {
            context.Post(continuation.Invoke, state);
        }
    }

    private void Check(short token)
    {
        if (token != _version)
        {
            throw new InvalidOperationException("The operation was awaited twice.");
        }
    }
}
