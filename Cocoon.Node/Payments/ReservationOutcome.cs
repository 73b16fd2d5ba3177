using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Payments;

/// <summary>Whether a session may start; a closed set.</summary>
internal abstract record ReservationOutcome
{
    private ReservationOutcome()
    {
    }

    /// <param name="HighestTotal">For <c>Accepted.highest_total</c>.</param>
    /// <param name="CarriedDue">For <c>Accepted.carried_due</c>: owed by ended sessions.</param>
    internal sealed record Reserved(ulong HighestTotal, ulong CarriedDue) : ReservationOutcome;

    /// <param name="CarriedDue">For <c>Declined.carried_due</c>: a client that saw less of a session that was cut off can vouch for it now.</param>
    internal sealed record Declined(DeclineReason Reason, string Detail, ulong HighestTotal, ulong CarriedDue) : ReservationOutcome;
}
