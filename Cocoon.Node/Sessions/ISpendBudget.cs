namespace Cocoon.Node.Sessions;

/// <summary>What one application may spend, nanoTON. Thread-safe.</summary>
internal interface ISpendBudget
{
    /// <summary>Books an amount before it can be spent, durably.</summary>
    Task<SpendReservation> ReserveAsync(ulong wanted, CancellationToken cancellationToken);

    /// <summary>Gives back the part of a reservation that was not spent.</summary>
    Task ReleaseAsync(SpendReservation reservation, ulong unspent);
}

/// <param name="Granted">What may be spent, nanoTON, at most what was wanted; 0: nothing is left.</param>
/// <param name="Day">Days since 1970 (UTC): what is left over goes back to the day that it was taken from.</param>
internal readonly record struct SpendReservation(ulong Granted, long Day);
