using Cocoon.Protocol.Sessions;

namespace Cocoon.Node.Sessions;

/// <summary>The word of a failure in answers and reports.</summary>
internal static class FailureWords
{
    public static string Of(InferenceException exception) => exception.Failure switch
    {
        InferenceFailure.ProviderLost => "provider_lost",
        InferenceFailure.Truncated => exception.Code ?? SessionReasons.Truncated,
        InferenceFailure.TimedOut => "timeout",
        InferenceFailure.Overcharged => "overcharged",
        InferenceFailure.Declined => "declined",
        InferenceFailure.Overloaded => "overloaded",
        InferenceFailure.EngineFailed => "engine_failed",
        _ => "failed",
    };
}
