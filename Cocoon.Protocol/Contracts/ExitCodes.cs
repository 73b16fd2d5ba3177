using System.Globalization;

namespace Cocoon.Protocol.Contracts;

/// <summary>Exit codes of our contracts, of the wallets and of the TVM, in words.</summary>
internal static class ExitCodes
{
    public static string Describe(int exitCode) => exitCode switch
    {
        0 or 1 => "done",

        200 => "the channel is not open",
        201 => "outside the channel's opening window (it opens only before, and closes only after it), or not in the basechain",
        202 => "a signature on the voucher, the grant or the close acknowledgement does not verify",
        203 => "the total is not above what has been claimed already",
        204 => "nothing is spendable on the channel",
        205 => "only the channel's client may do this",
        206 => "the channel is closing already",
        207 => "too early: the challenge period or the expiry has not passed",
        208 => "the total is above the session key's cap",
        209 => "the message carries too little TON for gas",
        210 => "the channel has no expiry, or the new one is not later",
        211 => "the channel's terms are out of bounds: challenge 1 second to 7 days, opening window at most a day",

        220 => "only the bond's owner may do this",
        221 => "the bond is in the wrong state for this",
        222 => "too early: the unbonding period has not passed",
        223 => "the profile's sequence number does not grow",
        224 => "a statement's signature does not verify",
        225 => "both statements have the same digest: no equivocation",

        240 => "only the registry's admin may do this",
        241 => "unknown proposal",
        242 => "too early: the time lock has not passed",
        243 => "the proposal has expired: it must be applied within 7 days",
        244 => "the hash is revoked: delete the tombstone first",
        245 => "the flag of a tombstone is reserved",

        33 or 133 => "the wallet's sequence number is another one",
        34 or 134 => "the wallet id is another one: a message for another network or subwallet",
        35 or 135 => "the wallet refuses the signature",
        36 or 136 => "the message has expired",

        2 => "stack underflow",
        3 => "stack overflow",
        4 => "integer overflow",
        5 => "integer out of range",
        6 => "invalid operation code",
        7 => "type check error",
        8 => "cell overflow",
        9 => "cell underflow: the body is not what the contract expects",
        11 => "unknown get-method",
        13 or -14 => "out of gas",
        32 => "invalid list of actions",
        37 => "not enough TON for the messages to send",
        38 => "not enough of another currency",
        40 => "not enough TON to forward the message",
        43 => "too many cells",
        50 => "the account's state is too large",
        65535 => "the contract does not know this operation",
        _ => string.Create(CultureInfo.InvariantCulture, $"exit code {exitCode}"),
    };
}
