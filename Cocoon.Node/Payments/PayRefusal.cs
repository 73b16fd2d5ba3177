namespace Cocoon.Node.Payments;

/// <summary>Why a request of <c>/cocoon/pay/1.0.0</c> is refused; the numbers of <c>PayRefused.Reason</c>.</summary>
internal enum PayRefusal
{
    UnknownChannel = 1,
    BadSignature = 2,
    BelowDue = 3,
    SessionLive = 4,
    Malformed = 5,
    Rate = 6,
    Chain = 7,
}
