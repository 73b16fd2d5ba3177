namespace Cocoon.Node.Sessions;

/// <summary>Why an answer could not be had; each maps to one HTTP status, OpenAI error code and exit code.</summary>
internal enum InferenceFailure
{
    InvalidRequest,
    ModelNotFound,
    NoOffer,
    TierRefused,
    AttestationRefused,
    NoFunds,
    ChainUnavailable,
    Declined,
    Overloaded,
    ProviderLost,
    Truncated,
    Overcharged,
    SpendLimit,
    TimedOut,
    EngineFailed,
    NoRelay,
}

/// <summary>A failed request in the three parts people need: what happened, why, and what to do next.</summary>
/// <remarks>Holds no prompt or completion text.</remarks>
internal sealed class InferenceException(InferenceFailure failure, string what, string why, string fix, Exception? inner = null)
    : Exception($"{what}: {why}", inner)
{
    public InferenceFailure Failure { get; } = failure;

    public string What { get; } = what;

    public string Why { get; } = why;

    public string Fix { get; } = fix;

    /// <summary>HTTP status of an error that the engine reported itself; 0 to derive it from <see cref="Failure"/>.</summary>
    public int HttpStatus { get; init; }

    public string? Code { get; init; }

    public string? Type { get; init; }

    public string? Param { get; init; }

    public TimeSpan? RetryAfter { get; init; }

    /// <summary>nanoTON that may be lost because of this failure; <c>null</c> when no money was involved.</summary>
    public ulong? AtRiskNanoton { get; init; }

    /// <summary>The provider has begun to close the channel; another channel to it can pay.</summary>
    public bool ChannelIsClosing { get; init; }

    /// <summary>Whether it speaks against the provider: a request that is wrong, or money and relays that we lack, do not.</summary>
    public bool SpeaksAgainstProvider => Failure switch
    {
        InferenceFailure.InvalidRequest or InferenceFailure.ModelNotFound or InferenceFailure.NoOffer or InferenceFailure.NoFunds
            or InferenceFailure.ChainUnavailable or InferenceFailure.SpendLimit or InferenceFailure.NoRelay => false,
        InferenceFailure.EngineFailed => HttpStatus is not (>= 400 and < 500),
        _ => true,
    };

    /// <summary>The enclave or the quote of the session is gone: a session opened now may be served.</summary>
    public bool SessionWasStale { get; init; }

    /// <summary>The books were behind the provider's and have caught up: the same request can be asked again.</summary>
    public bool ChannelWasBehind { get; init; }

    /// <summary>What the enclave showed, when nothing but its evidence was refused.</summary>
    public byte[]? RefusedEvidence { get; init; }

    /// <summary>Whether another provider may be asked for the same request.</summary>
    public bool TryAnother { get; init; }
}
