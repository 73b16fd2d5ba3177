namespace Cocoon.Protocol.Sessions;

internal enum SessionErrorCode
{
    /// <summary>Bytes that are not what the protocol says.</summary>
    Malformed = 1,

    /// <summary>No key with that id, or an unsupported suite.</summary>
    UnknownKey = 2,

    /// <summary>The sealed request does not open: wrong key, wrong routing header or changed on the way.</summary>
    Undecryptable = 3,

    /// <summary>The same sealed request came before.</summary>
    Replayed = 4,

    Expired = 5,

    /// <summary>What is sealed and what the routing header says differ.</summary>
    Mismatch = 6,

    /// <summary>A response frame does not open: changed, cut, or of another session.</summary>
    Tampered = 7,

    /// <summary>The response ended without its final frame.</summary>
    Truncated = 8,

    /// <summary>More than the protocol allows.</summary>
    TooLarge = 9,

    /// <summary>The enclave remembers no more requests under this key; another one is coming.</summary>
    KeyExhausted = 10,

    /// <summary>Too much of the same is under way; later it may be served.</summary>
    Busy = 11,

    /// <summary>A response frame came whose predecessor did not.</summary>
    Dropped = 12,

    /// <summary>A response frame came a second time.</summary>
    Repeated = 13,

    /// <summary>A response frame came behind one that should have followed it.</summary>
    Reordered = 14,
}

/// <summary>A violation of the session protocol by the other side. The message never holds user data.</summary>
internal sealed class SessionException(SessionErrorCode code, string message) : Exception(message)
{
    public SessionErrorCode Code { get; } = code;

    /// <summary>The stable word for refusals, logs and counters.</summary>
    public string Word => Code switch
    {
        SessionErrorCode.UnknownKey => SessionReasons.UnknownKey,
        SessionErrorCode.Undecryptable => SessionReasons.Undecryptable,
        SessionErrorCode.Replayed => SessionReasons.Replayed,
        SessionErrorCode.Expired => SessionReasons.Expired,
        SessionErrorCode.Mismatch => SessionReasons.Mismatch,
        SessionErrorCode.Tampered => SessionReasons.Tampered,
        SessionErrorCode.Truncated => SessionReasons.Truncated,
        SessionErrorCode.TooLarge => SessionReasons.TooLarge,
        SessionErrorCode.KeyExhausted => SessionReasons.KeyExhausted,
        SessionErrorCode.Busy => SessionReasons.Busy,
        SessionErrorCode.Dropped => SessionReasons.Dropped,
        SessionErrorCode.Repeated => SessionReasons.Repeated,
        SessionErrorCode.Reordered => SessionReasons.Reordered,
        _ => SessionReasons.Malformed,
    };
}
