namespace Cocoon.Node.Payments;

/// <summary>The part of a voucher's total that its signer means for one live session, cumulative nanoTON.</summary>
internal readonly record struct SessionAllocation(SessionId Session, ulong NanoTon);
