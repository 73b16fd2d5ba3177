namespace Cocoon.Protocol.Ton;

/// <summary>The one exception for violations and failures at the edge to the chain; the code says which.</summary>
internal sealed class TonException : Exception
{
    public TonException(TonErrorCode code, string message, Exception? inner = null)
        : base(message, inner) => Code = code;

    public TonErrorCode Code { get; }

    /// <summary>The TVM exit code, where the answer named one.</summary>
    public int? ExitCode { get; init; }

    public static TonException Malformed(string message) => new(TonErrorCode.Malformed, message);

    public static TonException TooLarge(string message) => new(TonErrorCode.LimitExceeded, message);
}
