namespace Cocoon.Protocol.Enclaves;

/// <summary>Bounds that an enclave and its host share.</summary>
internal static class EnclaveLimits
{
    /// <summary>Sessions that one enclave holds at a time, those without a request included: some kilobytes each in the smallest trusted process.</summary>
    public const int MaxSessions = 1024;
}
