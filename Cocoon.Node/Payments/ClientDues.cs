namespace Cocoon.Node.Payments;

/// <summary>What a channel that we pay through owes, nanoTON since it opened.</summary>
/// <param name="Due">By sessions, as far as it is known.</param>
/// <param name="MayOwe">The most that the provider may truthfully say: of sessions that run or were cut off it may have served more than we saw.</param>
/// <param name="Unconfirmed">Part of <paramref name="Due"/> that rests on the provider's word alone.</param>
internal readonly record struct ClientDues(ulong Due, ulong MayOwe, ulong Unconfirmed);
