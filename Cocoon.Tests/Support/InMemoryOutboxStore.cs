using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Sending;

namespace Cocoon.Tests.Support;

/// <summary>A queue that is gone with the process.</summary>
internal sealed class InMemoryOutboxStore : IOutboxStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TonAddress, Queue> _queues = [];

    public ValueTask EnqueueAsync(TonAddress wallet, OutboxRequest request, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Queue queue = Of(wallet);
            if (queue.Outcomes.TryGetValue(request.Key, out SendOutcome? before) && before.WasGivenUp)
            {
                queue.Outcomes.Remove(request.Key);
                request = queue.Refused.Remove(request.Key, out OutboxRequest? signed) ? signed : request;
            }

            if (!queue.Outcomes.ContainsKey(request.Key) && queue.Requests.TrueForAll(known => known.Key != request.Key))
            {
                queue.Requests.Add(request);
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask<IReadOnlyList<OutboxRequest>> GetWaitingAsync(TonAddress wallet, int limit, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Queue queue = Of(wallet);
            return ValueTask.FromResult<IReadOnlyList<OutboxRequest>>(
                [.. queue.Requests.Where(request => queue.InFlight?.Requests.Any(sent => sent.Key == request.Key) != true).Take(limit)]);
        }
    }

    public ValueTask<OutboxBatch?> GetInFlightAsync(TonAddress wallet, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return ValueTask.FromResult(Of(wallet).InFlight);
        }
    }

    public ValueTask StartAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Queue queue = Of(wallet);
            queue.InFlight = queue.InFlight is null ? batch : throw new InvalidOperationException("Another external is in flight.");
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask RenewAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Of(wallet).InFlight = batch;
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask ReturnAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Queue queue = Of(wallet);
            queue.InFlight = null;
            foreach (OutboxRequest request in batch.Requests)
            {
                queue.Requests[queue.Requests.FindIndex(known => known.Key == request.Key)] = request;
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask FinishAsync(
        TonAddress wallet, OutboxBatch batch, IReadOnlyDictionary<string, SendOutcome> outcomes, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Queue queue = Of(wallet);
            queue.InFlight = null;
            foreach ((string key, SendOutcome outcome) in outcomes)
            {
                queue.Requests.RemoveAll(request => request.Key == key);
                queue.Outcomes[key] = outcome;
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask GiveUpAsync(TonAddress wallet, IReadOnlyList<OutboxRequest> requests, SendOutcome outcome, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Queue queue = Of(wallet);
            queue.InFlight = null;
            foreach (OutboxRequest request in requests)
            {
                queue.Requests.RemoveAll(known => known.Key == request.Key);
                queue.Outcomes[request.Key] = outcome;
                queue.Refused[request.Key] = request;
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask ForgetRefusedAsync(TonAddress wallet, string key, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Queue queue = Of(wallet);
            int index = queue.Requests.FindIndex(request => request.Key == key);
            if (index >= 0)
            {
                queue.Requests[index] = queue.Requests[index] with { Refused = null };
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask RejectAsync(TonAddress wallet, string key, SendOutcome outcome, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Queue queue = Of(wallet);
            if (outcome.Result == SendResult.Refused && queue.Requests.Find(request => request.Key == key) is { } signed)
            {
                queue.Refused[key] = signed;
            }

            queue.Requests.RemoveAll(request => request.Key == key);
            queue.Outcomes[key] = outcome;
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask<SendOutcome?> GetOutcomeAsync(TonAddress wallet, string key, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return ValueTask.FromResult(Of(wallet).Outcomes.GetValueOrDefault(key));
        }
    }

    private Queue Of(TonAddress wallet) => _queues.TryGetValue(wallet, out Queue? queue) ? queue : _queues[wallet] = new Queue();

    private sealed class Queue
    {
        public List<OutboxRequest> Requests { get; } = [];

        public Dictionary<string, SendOutcome> Outcomes { get; } = [];

        public Dictionary<string, OutboxRequest> Refused { get; } = [];

        public OutboxBatch? InFlight { get; set; }
    }
}
