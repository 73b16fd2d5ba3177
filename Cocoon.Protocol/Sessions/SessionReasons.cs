using Cocoon.Protocol.Attestation;

namespace Cocoon.Protocol.Sessions;

/// <summary>Why an enclave refuses a session or a request, and a client an answer.</summary>
internal static class SessionReasons
{
    public const string Malformed = "malformed";
    public const string UnknownKey = "unknown-key";
    public const string UnknownSession = "unknown-session";
    public const string Undecryptable = "undecryptable";
    public const string Replayed = "replayed";
    public const string Expired = "expired";
    public const string Mismatch = "mismatch";
    public const string Tampered = "tampered";
    public const string Dropped = "dropped";
    public const string Repeated = "repeated";
    public const string Reordered = "reordered";
    public const string Truncated = "truncated";
    public const string TooLarge = "too-large";
    public const string KeyExhausted = "key-exhausted";
    public const string Busy = "busy";
    public const string Evidence = "evidence";

    public static IReadOnlyList<ReasonWord> All { get; } =
    [
        new(Malformed, "bytes that are not what the session's protocol says"),
        new(UnknownKey, "the request is sealed to a key that this enclave does not have, of another enclave or boot, or under another suite"),
        new(UnknownSession, "the request names no session that is open"),
        new(Undecryptable, "the sealed request does not open: for another enclave, session or routing header, or changed on its way"),
        new(Replayed, "the same sealed request came before"),
        new(Expired, "the request or its price quote has run out"),
        new(Mismatch, "what is sealed and what the routing header or the session says differ"),
        new(Tampered, "a frame of the answer does not open: changed, cut, made up or of another session"),
        new(Dropped, "a frame of the answer did not come, but a later one did"),
        new(Repeated, "a frame of the answer came twice"),
        new(Reordered, "two frames of the answer came in each other's place"),
        new(Truncated, "the answer ended without its final frame"),
        new(TooLarge, "more than the session's protocol allows"),
        new(KeyExhausted, "the enclave remembers no more requests under this key; another one is coming"),
        new(Busy, "too much fresh evidence is being made at once"),
        new(Evidence, "the machine gave no fresh evidence"),
    ];
}
