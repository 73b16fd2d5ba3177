namespace Cocoon.Enclave.Inference;

internal enum EngineErrorCode
{
    InvalidRequest = 1,
    UnsupportedParameter = 2,
    ModelNotFound = 3,
    ContextLengthExceeded = 4,

    /// <summary>Queue full; <see cref="EngineException.RetryAfter"/> says when to come back.</summary>
    Overloaded = 5,

    /// <summary>The reader took nothing for too long and its output no longer fits its bound.</summary>
    ReaderStalled = 6,

    /// <summary>The engine is stopping or broken.</summary>
    Unavailable = 7,

    /// <summary>The engine failed this request; others go on.</summary>
    Internal = 8,

    NativesMissing = 9,
    NativesUnsupported = 10,
    ModelInvalid = 11,
    OutOfMemory = 12,
}

/// <summary>Why an engine could not do, or go on with, a request. The message is for people and never holds prompt text.</summary>
internal sealed class EngineException : Exception
{
    public EngineException(EngineErrorCode code, string message, long? needed = null, long? available = null, TimeSpan? retryAfter = null, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Needed = needed;
        Available = available;
        RetryAfter = retryAfter;
    }

    public EngineErrorCode Code { get; }

    public int HttpStatus => Code switch
    {
        EngineErrorCode.InvalidRequest or EngineErrorCode.UnsupportedParameter or EngineErrorCode.ContextLengthExceeded => 400,
        EngineErrorCode.ModelNotFound => 404,
        EngineErrorCode.Overloaded => 429,
        EngineErrorCode.ReaderStalled => 499,
        EngineErrorCode.Unavailable => 503,
        _ => 500,
    };

    /// <summary>The OpenAI error <c>code</c> word.</summary>
    public string Word => Code switch
    {
        EngineErrorCode.InvalidRequest => "invalid_request",
        EngineErrorCode.UnsupportedParameter => "unsupported_parameter",
        EngineErrorCode.ModelNotFound => "model_not_found",
        EngineErrorCode.ContextLengthExceeded => "context_length_exceeded",
        EngineErrorCode.Overloaded => "rate_limit_exceeded",
        EngineErrorCode.ReaderStalled => "reader_stalled",
        EngineErrorCode.Unavailable => "overloaded",
        _ => "server_error",
    };

    /// <summary>Tokens that the request needs, where a limit was hit.</summary>
    public long? Needed { get; }

    /// <summary>Tokens that there are, where a limit was hit.</summary>
    public long? Available { get; }

    public TimeSpan? RetryAfter { get; }
}
