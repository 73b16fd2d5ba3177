using Cocoon.Node.Diagnostics;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Sending;

namespace Cocoon.Node.Wallets;

/// <summary>An outbox with a crash point on each side of each write; in use only while one is armed.</summary>
/// <remarks><c>queued</c>, <c>signed</c>, <c>sent</c> (stored and handed to the chain), <c>seen</c> (on the chain, not recorded), <c>recorded</c>.</remarks>
internal sealed class CrashableOutbox(IOutboxStore inner) : IOutboxStore
{
    private CellHash? _handedOut;

    public async ValueTask EnqueueAsync(TonAddress wallet, OutboxRequest request, CancellationToken cancellationToken)
    {
        await inner.EnqueueAsync(wallet, request, cancellationToken);
        Reach("queued", request.Key);
    }

    public ValueTask<IReadOnlyList<OutboxRequest>> GetWaitingAsync(TonAddress wallet, int limit, CancellationToken cancellationToken) =>
        inner.GetWaitingAsync(wallet, limit, cancellationToken);

    public async ValueTask<OutboxBatch?> GetInFlightAsync(TonAddress wallet, CancellationToken cancellationToken)
    {
        OutboxBatch? batch = await inner.GetInFlightAsync(wallet, cancellationToken);

        // The sender hands an external to the chain between two looks at it.
        if (batch is not null && _handedOut == batch.NormalizedHash)
        {
            Reach("sent", batch);
        }

        _handedOut = batch?.NormalizedHash;
        return batch;
    }

    public async ValueTask StartAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken)
    {
        await inner.StartAsync(wallet, batch, cancellationToken);
        _handedOut = batch.NormalizedHash;
        Reach("signed", batch);
    }

    public async ValueTask RenewAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken)
    {
        await inner.RenewAsync(wallet, batch, cancellationToken);
        _handedOut = batch.NormalizedHash;
        Reach("signed", batch);
    }

    public ValueTask ReturnAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken) => inner.ReturnAsync(wallet, batch, cancellationToken);

    public async ValueTask FinishAsync(
        TonAddress wallet, OutboxBatch batch, IReadOnlyDictionary<string, SendOutcome> outcomes, CancellationToken cancellationToken)
    {
        Reach("seen", batch);
        await inner.FinishAsync(wallet, batch, outcomes, cancellationToken);
        Reach("recorded", batch);
    }

    public ValueTask GiveUpAsync(TonAddress wallet, IReadOnlyList<OutboxRequest> requests, SendOutcome outcome, CancellationToken cancellationToken) =>
        inner.GiveUpAsync(wallet, requests, outcome, cancellationToken);

    public ValueTask ForgetRefusedAsync(TonAddress wallet, string key, CancellationToken cancellationToken) =>
        inner.ForgetRefusedAsync(wallet, key, cancellationToken);

    public ValueTask RejectAsync(TonAddress wallet, string key, SendOutcome outcome, CancellationToken cancellationToken) =>
        inner.RejectAsync(wallet, key, outcome, cancellationToken);

    public ValueTask<SendOutcome?> GetOutcomeAsync(TonAddress wallet, string key, CancellationToken cancellationToken) =>
        inner.GetOutcomeAsync(wallet, key, cancellationToken);

    private static void Reach(string step, OutboxBatch batch)
    {
        foreach (OutboxRequest request in batch.Requests)
        {
            Reach(step, request.Key);
        }
    }

    private static void Reach(string step, string key) => CrashPoint.Reach(CrashPoint.Outbox(step, key.Split(':')[0]));
}
