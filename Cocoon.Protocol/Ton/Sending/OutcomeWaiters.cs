namespace Cocoon.Protocol.Ton.Sending;

/// <summary>Those who wait for what becomes of requests of one wallet.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class OutcomeWaiters(IOutboxStore store, TonAddress wallet)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, TaskCompletionSource<SendOutcome>> _waiting = [];

    /// <summary>Completes when the request with this key has an outcome.</summary>
    public async Task<SendOutcome> WaitAsync(string key, CancellationToken cancellationToken)
    {
        Task<SendOutcome> outcome;
        lock (_lock)
        {
            if (!_waiting.TryGetValue(key, out TaskCompletionSource<SendOutcome>? waiter))
            {
                _waiting[key] = waiter = new TaskCompletionSource<SendOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            outcome = waiter.Task;
        }

        // Registered first, looked up second: an outcome recorded in between is found by one or the other.
        return await store.GetOutcomeAsync(wallet, key, cancellationToken) ?? await outcome.WaitAsync(cancellationToken);
    }

    /// <summary>Call when the outcome is in the store.</summary>
    public void Tell(string key, SendOutcome outcome)
    {
        TaskCompletionSource<SendOutcome>? waiter;
        lock (_lock)
        {
            _waiting.Remove(key, out waiter);
        }

        waiter?.TrySetResult(outcome);
    }
}
