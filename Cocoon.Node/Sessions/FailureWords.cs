namespace Cocoon.Node.Sessions;

/// <summary>The word of a failure in answers and reports.</summary>
internal static class FailureWords
{
    public static string Of(InferenceFailure failure) => failure switch
    {
        InferenceFailure.ProviderLost => "provider_lost",
        InferenceFailure.Truncated => "truncated",
        InferenceFailure.TimedOut => "timeout",
        InferenceFailure.Overcharged => "overcharged",
        InferenceFailure.Declined => "declined",
        InferenceFailure.Overloaded => "overloaded",
        InferenceFailure.EngineFailed => "engine_failed",
        _ => "failed",
    };
}
