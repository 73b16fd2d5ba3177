using Cocoon.Node.Sessions;

namespace Cocoon.Node.OpenAi;

/// <summary>The limits of one key as the budget of a request.</summary>
internal sealed class ApiKeyBudget(ApiKeyStore store, string id) : ISpendBudget
{
    public Task<SpendReservation> ReserveAsync(ulong wanted, CancellationToken cancellationToken) => store.ReserveAsync(id, wanted, cancellationToken);

    public Task ReleaseAsync(SpendReservation reservation, ulong unspent) => unspent == 0 ? Task.CompletedTask : store.ReleaseAsync(id, reservation, unspent);
}
