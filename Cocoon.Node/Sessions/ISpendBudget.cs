namespace Cocoon.Node.Sessions;

/// <summary>What one application may spend, nanoTON. Thread-safe.</summary>
internal interface ISpendBudget
{
    /// <summary>Books an amount before it can be spent, durably.</summary>
    /// <returns>What was granted, at most <paramref name="wanted"/>; 0: nothing is left.</returns>
    Task<ulong> ReserveAsync(ulong wanted, CancellationToken cancellationToken);

    /// <summary>Gives back the part of a reservation that was not spent.</summary>
    Task ReleaseAsync(ulong unspent);
}
