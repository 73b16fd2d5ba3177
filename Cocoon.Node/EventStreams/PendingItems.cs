namespace Cocoon.Node.EventStreams;

/// <summary>Items of which the next is waited for with a limit, and that may be left while it is still awaited.</summary>
/// <remarks>
/// An async iterator that is disposed of in the middle of a step throws, and its <c>finally</c> blocks never run: what it holds, such as a
/// paid session, would be held for ever. One owner at a time.
/// </remarks>
internal sealed class PendingItems<T> : IAsyncDisposable
{
    private readonly CancellationTokenSource _leaving;
    private readonly IAsyncEnumerator<T> _items;
    private Task<bool>? _step;

    /// <param name="open">Starts the items; its token is cancelled when they are left.</param>
    /// <param name="cancellationToken">Ends the items.</param>
    public PendingItems(Func<CancellationToken, IAsyncEnumerable<T>> open, CancellationToken cancellationToken)
    {
        _leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _items = open(_leaving.Token).GetAsyncEnumerator(_leaving.Token);
    }

    public T Current => _items.Current;

    /// <summary>Begins to wait for the first item already: what it comes from is listened to from now on.</summary>
    public void Begin() => _step ??= _items.MoveNextAsync().AsTask();

    /// <returns>Whether there is another item; <c>null</c>: not within <paramref name="patience"/>, and the next call waits for the same one.</returns>
    public async Task<bool?> MoveNextAsync(TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
    {
        _step ??= _items.MoveNextAsync().AsTask();
        if (!_step.IsCompleted)
        {
            try
            {
                await _step.WaitAsync(patience, time, cancellationToken);
            }
            catch (TimeoutException) when (!_step.IsFaulted)
            {
                if (!_step.IsCompleted)
                {
                    return null;
                }
            }
        }

        bool isThere = await _step;
        _step = null;
        return isThere;
    }

    public async ValueTask DisposeAsync()
    {
        await _leaving.CancelAsync();
        if (_step is Task step)
        {
            await step.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await _items.DisposeAsync();
        _leaving.Dispose();
    }
}
