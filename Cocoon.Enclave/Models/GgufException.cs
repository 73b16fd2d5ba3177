namespace Cocoon.Enclave.Models;

internal enum GgufErrorCode
{
    NotGguf = 1,
    UnsupportedVersion = 2,
    Truncated = 3,
    LimitExceeded = 4,
    BadValue = 5,
    Duplicate = 6,
    BadTensor = 7,
    MissingKey = 8,
    SplitIncomplete = 9,
}

/// <summary>A GGUF file that must not reach llama.cpp. The message is a sentence for its owner that names the field, with at most 96 characters of file content.</summary>
internal sealed class GgufException(GgufErrorCode code, string message) : Exception(message)
{
    public GgufErrorCode Code { get; } = code;
}
