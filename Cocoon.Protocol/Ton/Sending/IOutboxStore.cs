namespace Cocoon.Protocol.Ton.Sending;

/// <summary>The durable queue of one wallet. Each call is one transaction of the store, on disk before it returns.</summary>
/// <remarks>One <see cref="WalletSender"/> at a time uses a wallet's queue.</remarks>
internal interface IOutboxStore
{
    /// <summary>
    /// Appends the request, unless one with its key is known (waiting, in flight or finished). One that was given up waits again; what was
    /// signed for it stays known, and then its message is the one that was signed.
    /// </summary>
    ValueTask EnqueueAsync(TonAddress wallet, OutboxRequest request, CancellationToken cancellationToken);

    /// <summary>Waiting requests, oldest first.</summary>
    ValueTask<IReadOnlyList<OutboxRequest>> GetWaitingAsync(TonAddress wallet, int limit, CancellationToken cancellationToken);

    ValueTask<OutboxBatch?> GetInFlightAsync(TonAddress wallet, CancellationToken cancellationToken);

    /// <summary>Records the signed external and takes its requests out of the waiting ones. Refused while another is in flight.</summary>
    ValueTask StartAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken);

    /// <summary>Puts a newly signed external for the same requests and sequence number in the place of the one in flight.</summary>
    ValueTask RenewAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken);

    /// <summary>Nothing of the external happened: its requests wait again, in their old places and with their <see cref="OutboxRequest.Refused"/>.</summary>
    ValueTask ReturnAsync(TonAddress wallet, OutboxBatch batch, CancellationToken cancellationToken);

    /// <summary>Records what became of each request and forgets the external.</summary>
    ValueTask FinishAsync(
        TonAddress wallet, OutboxBatch batch, IReadOnlyDictionary<string, SendOutcome> outcomes, CancellationToken cancellationToken);

    /// <summary>Forgets the external in flight and records its requests as given up, each with its own <see cref="OutboxRequest.Refused"/>.</summary>
    ValueTask GiveUpAsync(TonAddress wallet, IReadOnlyList<OutboxRequest> requests, SendOutcome outcome, CancellationToken cancellationToken);

    /// <summary>None of the externals that were signed for a waiting request can happen any more.</summary>
    ValueTask ForgetRefusedAsync(TonAddress wallet, string key, CancellationToken cancellationToken);

    /// <summary>Records a request that was given up while it was waiting.</summary>
    ValueTask RejectAsync(TonAddress wallet, string key, SendOutcome outcome, CancellationToken cancellationToken);

    ValueTask<SendOutcome?> GetOutcomeAsync(TonAddress wallet, string key, CancellationToken cancellationToken);
}
