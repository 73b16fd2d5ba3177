namespace Cocoon.Node.Cli;

/// <summary>Documented exit codes of every command.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int CheckFailed = 1;
    public const int Usage = 2;
    public const int NodeNotRunning = 3;
    public const int NotFound = 4;
    public const int Network = 5;
    public const int Payment = 6;
    public const int AttestationRefused = 7;
    public const int TimedOut = 124;

    /// <summary>Ctrl-C before the command had done what it was for, as shells have it.</summary>
    public const int Interrupted = 130;
}
