namespace Cocoon.Protocol.Ton.Messages;

/// <param name="SkipReason">In words, when no code ran at all; else <c>null</c>.</param>
internal sealed record ComputePhase(bool Success, int ExitCode, ulong GasUsed, ulong GasFees, string? SkipReason)
{
    /// <summary>Receiving money on an account without code skips the phase and is no failure.</summary>
    public bool Skipped => SkipReason is not null;
}
