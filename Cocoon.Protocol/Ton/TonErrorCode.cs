namespace Cocoon.Protocol.Ton;

/// <summary>Why something from the chain, or from a server that speaks for it, could not be used.</summary>
internal enum TonErrorCode
{
    /// <summary>Bytes that violate a format: bag of cells, message, JSON, TL.</summary>
    Malformed,

    /// <summary>More bytes, cells, entries or items than the reader's limit.</summary>
    LimitExceeded,

    /// <summary>A Merkle proof, or a chain of hashes, does not lead to what it should prove.</summary>
    ProofInvalid,

    /// <summary>No endpoint answered in time.</summary>
    Unreachable,

    /// <summary>Every endpoint asked us to slow down (HTTP 429).</summary>
    RateLimited,

    /// <summary>A server answered with an error of its own.</summary>
    Refused,

    /// <summary>The destination account did not accept the external message.</summary>
    NotAccepted,

    /// <summary>A get-method ended with a non-zero exit code.</summary>
    GetMethodFailed,

    /// <summary>The servers speak for another network than the one meant.</summary>
    WrongNetwork,
}
